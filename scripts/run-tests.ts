/** Runs vitest and ends with one line that scripts can read: "N passed, N failed". */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numFailedTestSuites: number
}

const directory = mkdtempSync(join(tmpdir(), 'gatewright-tests-'))
const file = join(directory, 'report.json')
try {
  const vitest = new URL('../node_modules/vitest/vitest.mjs', import.meta.url).pathname
  const args = [
    vitest,
    'run',
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...process.argv.slice(2),
  ]
  // Colours of a thousand dots make a log that nobody can read.
  const environment = { ...process.env, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }) }
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: environment })
  const report = JSON.parse(readFileSync(file, 'utf8')) as VitestReport
  // A suite that could not be loaded has no failed test, and yet it failed.
  const failed = Math.max(report.numFailedTests, report.numFailedTestSuites > 0 ? 1 : 0, status === 0 ? 0 : 1)
  console.log(
    `\n${report.numPassedTests} passed, ${failed} failed${report.numPendingTests > 0 ? `, ${report.numPendingTests} skipped` : ''}`,
  )
  process.exitCode = failed > 0 || report.numPassedTests === 0 ? 1 : 0
} finally {
  rmSync(directory, { recursive: true, force: true })
}
