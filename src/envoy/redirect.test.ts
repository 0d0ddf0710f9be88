import { describe, expect, it } from 'vitest'
import { HTTPRequestRedirectFilter } from '../gatewayapi/objects/http-filter.ts'
import { buildRedirects, type RedirectContext } from './redirect.ts'

const listener = (protocol: 'HTTP' | 'HTTPS', port: number): RedirectContext => ({ protocol, port })
const build = (filter: object, context: RedirectContext) =>
  buildRedirects(HTTPRequestRedirectFilter.parse(filter), { type: 'PathPrefix', value: '/' }, context)

/** Ports of the Location: of requests whose Host names another port, then of the others. */
const ports = (filter: object, context: RedirectContext) =>
  build(filter, context).map(({ redirect }) => redirect.portRedirect)

describe('the port of a redirect', () => {
  it.each([
    ['that of the listener without port and scheme', {}, listener('HTTP', 8080), [8080]],
    ['left out when it is the well-known one of the listener', {}, listener('HTTP', 80), [80, undefined]],
    ['left out when it is the well-known one of the listener', {}, listener('HTTPS', 443), [443, undefined]],
    ['kept when it is well-known for the other scheme', {}, listener('HTTP', 443), [443]],
    ['kept when it is well-known for the other scheme', {}, listener('HTTPS', 80), [80]],
    ['the well-known one of a given scheme', { scheme: 'https' }, listener('HTTP', 8080), [443, undefined]],
    ['the well-known one of a given scheme', { scheme: 'http' }, listener('HTTPS', 8443), [80, undefined]],
    ['the given one', { port: 8443 }, listener('HTTP', 80), [8443]],
    ['the given one, beside a scheme', { scheme: 'https', port: 8443 }, listener('HTTP', 80), [8443]],
    [
      'left out when given as the well-known one',
      { scheme: 'https', port: 443 },
      listener('HTTP', 80),
      [443, undefined],
    ],
    [
      'left out when given as the well-known one of the listener',
      { port: 80 },
      listener('HTTP', 8080),
      [80, undefined],
    ],
    [
      'in one form with a hostname, where no Host is kept',
      { hostname: 'a.test', scheme: 'https' },
      listener('HTTP', 8080),
      [undefined],
    ],
    ['in one form with a hostname, where no Host is kept', { hostname: 'a.test' }, listener('HTTP', 8080), [8080]],
  ])('is %s (%j, %j)', (_, filter, context, expected) => {
    expect(ports(filter, context)).toEqual(expected)
  })

  it.each([
    ['HTTP' as const, ':80'],
    ['HTTPS' as const, ':443'],
  ])('treats a Host with the well-known port of %s as one without a port', (protocol, suffix) => {
    const [first] = build({ scheme: protocol === 'HTTP' ? 'https' : 'http' }, listener(protocol, 8080))
    expect(first?.when.headers).toEqual([
      { name: ':authority', stringMatch: { contains: ':' } },
      { name: ':authority', stringMatch: { suffix }, invertMatch: true },
    ])
  })
})
