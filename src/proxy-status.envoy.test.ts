import { afterEach, expect, it } from 'vitest'
import { runCommandLine } from './cli/command.ts'
import { proxyStatusCommand } from './cli/proxy-status.ts'
import { gatewayClassYaml, gatewayYaml } from './testing/builders.ts'
import { recordTerminal } from './testing/recording-terminal.ts'
import { StandaloneFixture } from './testing/standalone-fixture.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

it('proxy-status lists the Envoy that "gatewright run" has started', async () => {
  const manifests = { fixed: gatewayClassYaml + gatewayYaml('web', '[{name: http, port: 8080, protocol: HTTP}]') }
  const fixture = await StandaloneFixture.start(manifests, { adminAddress: '127.0.0.1:0' })
  cleanups.push(() => fixture.stop())
  const address = /proxy-status.*?(127\.0\.0\.1:\d+)/.exec(fixture.log)?.[1]
  const get = async (url: string) => {
    const answer = await fetch(url)
    return { status: answer.status, body: await answer.text() }
  }
  await fixture.eventually(async () => {
    const terminal = recordTerminal()
    const command = proxyStatusCommand({ get, now: () => Date.now() })
    const code = await runCommandLine([command], ['proxy-status', '--server', `http://${address}`], terminal)
    expect(terminal.errors()).toBe('')
    expect(code).toBe(0)
    expect(terminal.output()).toMatch(/^default\/web +default\/web +envoy 1\.\d+\.\d+ +\d+s +settled$/m)
    expect(terminal.output()).toMatch(/^default\/web +Listener +1 +1 +1 +0 +-$/m)
  })
})
