/**
 * Runs the official conformance suite against the cluster of the environment (see ../settings.sh).
 * RUN: names of tests, separated by commas; all unless given. PROFILES: the profiles; unless given, those whose kind
 * of route the GatewayClass claims. DEBUG=1 lets the suite say more.
 * The report of a run of everything is kept under reports/; with GATEWRIGHT_E2E_KEEP_REPORT=0 it is compared with the one
 * that is there instead, and a run that shows less has failed. What a test sets up beside its own objects stays for the next run.
 */
import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { eventually } from '../testing/eventually.ts'
import { conditionOf, gatewayClass } from '../testing/gateway.ts'
import { find } from '../testing/kubectl.ts'
import { caveats, formatSummary, listLosses, parseReport } from './report.ts'
import { type TestOutcome, TestOutputReader } from './test-output.ts'

/** Profiles by the feature that makes them worth running. */
const profilesByFeature: Readonly<Record<string, string>> = {
  HTTPRoute: 'GATEWAY-HTTP',
  GRPCRoute: 'GATEWAY-GRPC',
  TLSRoute: 'GATEWAY-TLS',
  TCPRoute: 'GATEWAY-TCP',
  UDPRoute: 'GATEWAY-UDP',
}

const { RUN: run = '', PROFILES: givenProfiles = '', DEBUG: debug = '' } = process.env
const version = process.env['GATEWRIGHT_E2E_GATEWAY_API'] ?? '1.7.0'
const channel = process.env['GATEWRIGHT_E2E_CHANNEL'] ?? 'standard'
const cache = process.env['GATEWRIGHT_E2E_CACHE'] ?? ''
// For the tests of addresses that a Gateway asks for: one of the pool, and one that is for documentation (RFC 5737).
const usableAddress = process.env['GATEWRIGHT_E2E_USABLE_ADDRESS'] ?? ''
const unusableAddress = '203.0.113.7'
const output = new URL('../.out/', import.meta.url).pathname
const reports = new URL('reports/', import.meta.url).pathname
const project = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const live = await eventually(`GatewayClass ${gatewayClass} to be Accepted`, 30_000, async () => {
  const found = await find('gatewayclass', gatewayClass)
  return conditionOf(found, 'Accepted')?.status === 'True' && found
})
const features = ((live['status'].supportedFeatures ?? []) as { name: string }[]).map((feature) => feature.name)
const profiles =
  givenProfiles ||
  Object.entries(profilesByFeature)
    .filter(([feature]) => features.includes(feature))
    .map(([, profile]) => profile)
    .join(',')
if (profiles === '') throw new Error(`GatewayClass ${gatewayClass} claims no kind of route`)

mkdirSync(output, { recursive: true })
const logFile = `${output}conformance.log`
const reportFile = `${output}conformance-report.yaml`
rmSync(reportFile, { force: true })
const tests = run === '' ? [] : run.split(',')
const status = await runSuite([
  '-test.v',
  '-test.timeout=60m',
  `-test.run=^TestConformance$${tests.length > 1 ? `/^(${tests.join('|')})$` : ''}`,
  // A single test runs whether its feature is claimed or not.
  ...(tests.length === 1 ? [`-run-test=${tests[0]}`] : []),
  `-gateway-class=${gatewayClass}`,
  `-conformance-profiles=${profiles}`,
  `-report-output=${reportFile}`,
  '-organization=gatewright',
  '-project=gatewright',
  '-url=https://gatewright.dev',
  '-contact=https://gatewright.dev',
  `-version=${project.version}`,
  '-cleanup-base-resources=false',
  ...(usableAddress === '' ? [] : [`-usable-address=${usableAddress}`, `-unusable-address=${unusableAddress}`]),
  ...(debug === '' ? [] : ['-debug']),
])
const losses = existsSync(reportFile) && tests.length === 0 ? handleReport() : []
for (const loss of losses) console.log(`  LOST ${loss}`)
console.log(`\nEverything that was said: ${logFile.replace(process.cwd(), '.')}`)
process.exitCode = losses.length > 0 ? 1 : status

async function runSuite(args: readonly string[]): Promise<number> {
  const log = createWriteStream(logFile)
  const counts = { PASS: 0, FAIL: 0, SKIP: 0 }
  const told: TestOutcome[] = []
  const reader = new TestOutputReader((outcome) => {
    counts[outcome.result] += 1
    if (outcome.result === 'FAIL') told.push(outcome)
    if (outcome.result !== 'SKIP') console.log(`${outcome.result} ${outcome.name} (${outcome.seconds} s)`)
  })
  const child = spawn(`${cache}/bin/conformance-${version}.test`, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines = [child.stdout, child.stderr].map(async (stream) => {
    for await (const line of createInterface({ input: stream })) {
      log.write(`${line}\n`)
      if (debug !== '') console.log(line)
      reader.readLine(line)
    }
  })
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
  await Promise.all(lines)
  log.end()
  for (const { name, log: said } of told) console.log(`\n${name} said at its end:\n${said.slice(-20).join('\n')}`)
  const ran = counts.PASS + counts.FAIL
  if (ran === 0) console.log(readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n'))
  console.log(`\n${counts.PASS} passed, ${counts.FAIL} failed, ${counts.SKIP} skipped`)
  // A suite that ran nothing has shown nothing.
  return ran === 0 ? 1 : status
}

/** @returns what the kept report shows and this one does not, if it is not to be kept itself */
function handleReport(): string[] {
  const yaml = readFileSync(reportFile, 'utf8')
  const report = parseReport(yaml)
  const summary = formatSummary(report)
  console.log(`\n${summary}`)
  writeFileSync(`${output}conformance-summary.txt`, `${summary}\n`)
  const caveat = caveats[report.gatewayAPIVersion]
  const name = `${report.gatewayAPIVersion}-${channel}${givenProfiles === '' ? '' : `-${givenProfiles.toLowerCase()}`}.yaml`
  const file = `${reports}${name}`
  if (process.env['GATEWRIGHT_E2E_KEEP_REPORT'] === '0')
    return existsSync(file) ? listLosses(parseReport(readFileSync(file, 'utf8')), report) : []
  mkdirSync(reports, { recursive: true })
  writeFileSync(file, `${caveat === undefined ? '' : `# ${caveat}\n`}${yaml}`)
  return []
}
