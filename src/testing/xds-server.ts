import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { createTokenAuthenticator } from '../xds/authenticator.ts'
import { createXdsServer } from '../xds/server.ts'
import type { XdsServer, XdsServerOptions } from '../xds/server-options.ts'
import { AdsClient, type AdsClientOptions } from './ads-client.ts'
import { XdsSources } from './xds-bed.ts'

/** A real server on a port of its own, over collections that the test fills. */
export class XdsServerBed extends XdsSources {
  readonly server: XdsServer
  address = ''
  readonly #clients: AdsClient[] = []

  private constructor(options: Partial<XdsServerOptions>) {
    super()
    this.server = createXdsServer({
      scheduler: this.scheduler,
      collections: this.collections,
      authenticator: createTokenAuthenticator(() => new Map(['a', 'b'].map((scope) => [scope, `token-${scope}`]))),
      logger: silentLogger,
      clock: systemClock,
      ...options,
    })
  }

  static async start(
    options: Partial<XdsServerOptions> & { readonly synced?: boolean; readonly address?: string } = {},
  ): Promise<XdsServerBed> {
    const bed = new XdsServerBed(options)
    bed.address = await bed.server.listen(options.address ?? '127.0.0.1:0')
    if (options.synced !== false) bed.server.markSynced()
    return bed
  }

  client(options: AdsClientOptions = {}): AdsClient {
    const client = new AdsClient(this.address, { token: 'token-a', ...options })
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.server.close()
  }
}
