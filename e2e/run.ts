/**
 * The end-to-end tests on the cluster of the environment, with a summary at the end.
 * `--smoke`: the chart, the first journey and ten tests of the conformance suite.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import process from 'node:process'
import { formatSummary, parseReport } from './conformance/report.ts'

/** One of each kind: routing, weights, other namespaces, errors, changes of listeners, statuses. */
const smokeTests = [
  'GatewayModifyListeners',
  'GatewayObservedGenerationBump',
  'HTTPRouteCrossNamespace',
  'HTTPRouteExactPathMatching',
  'HTTPRouteHeaderMatching',
  'HTTPRouteInvalidNonExistentBackendRef',
  'HTTPRouteListenerHostnameMatching',
  'HTTPRouteMatching',
  'HTTPRouteSimpleSameNamespace',
  'HTTPRouteWeight',
]

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
}

const isSmoke = process.argv.includes('--smoke')
const output = new URL('.out/', import.meta.url).pathname
mkdirSync(output, { recursive: true })

const summary: string[] = []
let failed = false

const began = performance.now()
runTests('Chart', ['e2e/chart.e2e.test.ts'])
runTests('Journeys', isSmoke ? ['e2e/journeys/first-gateway'] : ['e2e/journeys'])
if (!isSmoke) runTests('Faults', ['e2e/faults', 'e2e/scale'])
runConformance()
if (!isSmoke) runForeignClient()
console.log(`\n${summary.join('\n')}\n${failed ? 'FAILED' : 'Passed'} in ${seconds(began)} s`)
process.exitCode = failed ? 1 : 0

function runTests(title: string, files: readonly string[]): void {
  const from = performance.now()
  const report = `${output}${title.toLowerCase()}.json`
  rmSync(report, { force: true })
  const vitest = new URL('../node_modules/vitest/vitest.mjs', import.meta.url).pathname
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${report}`]
  const { status } = spawnSync(
    process.execPath,
    [vitest, 'run', '--config', 'e2e/vitest.config.ts', ...reporters, ...files],
    { stdio: 'inherit', env: { ...process.env, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }) } },
  )
  const counts = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as VitestReport) : undefined
  const { numPassedTests = 0, numFailedTests = 0, numFailedTestSuites = 0 } = counts ?? {}
  // A file that could not be loaded has no failed test, and yet it failed.
  const failures = Math.max(numFailedTests, numFailedTestSuites, status === 0 && numPassedTests > 0 ? 0 : 1)
  failed ||= failures > 0
  summary.push(`${title}: ${numPassedTests} passed, ${failures} failed (${seconds(from)} s)`)
}

function runConformance(): void {
  const from = performance.now()
  const report = `${output}conformance-report.yaml`
  rmSync(report, { force: true })
  const { status } = spawnSync(process.execPath, [new URL('conformance/run.ts', import.meta.url).pathname], {
    stdio: 'inherit',
    env: { ...process.env, ...(isSmoke && { RUN: smokeTests.join(',') }) },
  })
  failed ||= status !== 0
  if (isSmoke) summary.push(`Conformance: ten tests ${status === 0 ? 'passed' : 'FAILED'} (${seconds(from)} s)`)
  else if (existsSync(report)) summary.push(formatSummary(parseReport(readFileSync(report, 'utf8'))))
  else summary.push('Conformance: no report')
}

/** Needs no cluster, but Go, and minutes the first time. */
function runForeignClient(): void {
  const from = performance.now()
  const script = new URL('foreign-client/run.ts', import.meta.url).pathname
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' })
  failed ||= status !== 0
  summary.push(`Foreign client: ${status === 0 ? 'passed' : 'FAILED'} (${seconds(from)} s)`)
}

function seconds(from: number): string {
  return ((performance.now() - from) / 1000).toFixed(0)
}
