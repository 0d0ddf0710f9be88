import { type Clock, systemClock } from '../base/clock.ts'
import { type FakeAnswer, type FakeConnection, type FakeRequest, refuse, send } from './fake-api-connection.ts'
import { describeApi } from './fake-api-discovery.ts'
import {
  type FakeAttributes,
  FakeFaults,
  type FakeMatch,
  FakeRequests,
  type FakeVerb,
  isMatch,
  type WatchFault,
} from './fake-api-faults.ts'
import { type FakeResource, listFakeResources } from './fake-api-resources.ts'
import { FakeRights } from './fake-api-rights.ts'
import { parseFieldSelector, parseLabelSelector } from './fake-api-selector.ts'
import { FakeApiStore, type FakeObject, type FakeTable, keyOf } from './fake-api-store.ts'
import { FakeWatch } from './fake-api-watch.ts'
import { FakeApiWrites } from './fake-api-writes.ts'

export interface FakeApiOptions {
  /** All Gateway API kinds and the built-in ones that Gatewright reads or writes, unless given. */
  readonly resources?: readonly FakeResource[]
  /** Whether watches can send the present state first (sendInitialEvents). true unless given. */
  readonly watchList?: boolean
  /** Milliseconds between two bookmarks of a watch; 60,000 unless given. */
  readonly bookmarkInterval?: number
  readonly clock?: Clock
}

interface Target {
  readonly table: FakeTable
  readonly version: string
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

/** An answer to a request before anything else looks at it; undefined leaves it to the others. */
export type FakeHook = (request: FakeRequest) => FakeAnswer | undefined

/** What an API server does, apart from the network. {@link FakeApiServer} puts HTTP in front of it. */
export class FakeApi {
  readonly faults = new FakeFaults()
  readonly requests = new FakeRequests()
  readonly rights = new FakeRights()
  readonly store: FakeApiStore
  readonly #writes: FakeApiWrites
  readonly #watches = new Set<FakeWatch>()
  readonly #snapshots = new Map<string, { readonly items: readonly FakeObject[]; readonly version: number }>()
  readonly #hooks: FakeHook[] = []
  readonly #options: FakeApiOptions
  readonly #clock: Clock
  #snapshot = 0

  constructor(options: FakeApiOptions = {}) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.store = new FakeApiStore(options.resources ?? listFakeResources())
    this.#writes = new FakeApiWrites(this.store)
    for (const table of this.store.tables()) if (table.resource.custom) this.#putDefinition(table.resource)
  }

  /**
   * Creates or replaces an object as whoever may write everything; status too, if it has one, else the one
   * that is there stays. Names, uid, versions and generation are filled in.
   * @returns the object as it is stored
   */
  put(object: FakeObject): FakeObject {
    const table = this.store.tableOfKind(object.apiVersion, object.kind)
    const previous = table.objects.get(keyOf(object))
    if (previous === undefined) return this.store.create(table, object)
    const status = object.status ?? previous.status
    return this.store.replace(table, previous, { ...object, ...(status !== undefined && { status }) })
  }

  /** @returns the object as it is stored; undefined: there is none */
  get(kind: string, namespace: string, name: string): FakeObject | undefined {
    return this.#tableOf(kind)?.objects.get(`${namespace}/${name}`)
  }

  /** As a load balancer does. @returns false: there is no such Service */
  assignAddress(namespace: string, name: string, ip = '192.0.2.1'): boolean {
    const service = this.get('Service', namespace, name)
    if (service) this.put({ ...service, status: { loadBalancer: { ingress: [{ ip }] } } })
    return service !== undefined
  }

  /** All objects of a kind. */
  list(kind: string): FakeObject[] {
    return [...(this.#tableOf(kind)?.objects.values() ?? [])]
  }

  /** @returns whether there was one */
  delete(kind: string, namespace: string, name: string): boolean {
    const table = this.#tableOf(kind)
    const object = table?.objects.get(`${namespace}/${name}`)
    if (table && object) this.store.delete(table, object)
    return object !== undefined
  }

  /** Forgets history: versions and continue tokens that clients hold are too old from now on. */
  compact(): void {
    this.store.compact()
    this.#snapshots.clear()
  }

  /** Installs the CRD of a resource, or changes it. */
  serve(resource: FakeResource): void {
    const table = this.store.table(resource.group, resource.plural)
    if (!table) this.store.addTable(resource)
    else Object.assign(table, { resource })
    this.#putDefinition(resource)
  }

  /**
   * Deletes the CRD of a kind, and with it all its objects.
   * @returns the resource, for {@link serve}
   */
  remove(kind: string): FakeResource {
    const table = this.#tableOf(kind)
    if (!table) throw new Error(`The fake API server serves no ${kind}`)
    const { plural, group } = table.resource
    this.store.removeTable(table)
    for (const watch of [...this.#watches]) if (watch.attributes.resource === plural) watch.break('end')
    this.delete('CustomResourceDefinition', '', `${plural}.${group}`)
    return table.resource
  }

  /** Makes something happen to open watches; returns to how many. */
  breakWatches(fault: WatchFault, match: FakeMatch = {}): number {
    const hit = [...this.#watches].filter((watch) => isMatch(match, watch.attributes))
    for (const watch of hit) watch.break(fault)
    return hit.length
  }

  /** How many watches are open. */
  countWatches(match: FakeMatch = {}): number {
    return [...this.#watches].filter((watch) => isMatch(match, watch.attributes)).length
  }

  /** Answers requests before anything else, for what is not simulated here. */
  answer(hook: FakeHook): void {
    this.#hooks.push(hook)
  }

  /** Answers one request, in time. */
  handle(request: FakeRequest, connection: FakeConnection): void {
    const url = new URL(request.url, 'http://fake')
    const target = this.#findTarget(url.pathname)
    const attributes = describeRequest(request, url, target)
    this.requests.record(attributes)
    const fault = this.faults.take(attributes)
    const respond = (to: FakeConnection) => this.#respond(request, url, target, attributes, to)
    if (fault === undefined) respond(connection)
    else if (fault === 'reset') connection.reset()
    else if (fault === 'cut') respond(cutShort(connection))
    else if (fault !== 'silence' && 'delay' in fault)
      connection.onClose(this.#clock.after(fault.delay, () => respond(connection)))
    else if (fault !== 'silence') {
      const { status, reason = '', message = 'a fault of the test', retryAfter } = fault
      send(connection, refuse(status, reason, message, retryAfter))
    }
  }

  #respond(
    request: FakeRequest,
    url: URL,
    target: Target | undefined,
    attributes: FakeAttributes,
    connection: FakeConnection,
  ): void {
    const { pathname, searchParams } = url
    const forbidden = target && this.#authorize(request, target, attributes)
    const hooked = forbidden ?? this.#hooks.map((hook) => hook(request)).find((answer) => answer !== undefined)
    if (hooked) send(connection, hooked)
    else if (!target)
      send(
        connection,
        describeApi(
          pathname,
          [...this.store.tables()].map((t) => t.resource),
        ),
      )
    else if (attributes.verb === 'watch') this.#watch(request, searchParams, target, attributes, connection)
    else send(connection, this.#answer(request, searchParams, target, attributes))
  }

  #authorize(request: FakeRequest, { table, namespace, name }: Target, attributes: FakeAttributes) {
    const { group } = table.resource
    const refusal = this.rights.check(attributes, group)
    // Whoever applies what is not there creates it.
    const creates =
      request.contentType.startsWith('application/apply-patch') && !table.objects.has(`${namespace}/${name}`)
    return refusal ?? (creates ? this.rights.check({ ...attributes, verb: 'create' }, group) : undefined)
  }

  #answer(request: FakeRequest, query: URLSearchParams, target: Target, { verb }: FakeAttributes): FakeAnswer {
    const { table, namespace, name } = target
    const present = presentAs(request.accept, table.resource, target.version)
    if (verb === 'list') return this.#list(query, target, present, request.accept)
    if (verb === 'get') {
      const object = table.objects.get(`${namespace}/${name}`)
      return object
        ? { status: 200, body: present(object) }
        : refuse(404, 'NotFound', `${table.resource.plural} "${name}" not found`)
    }
    const answer = this.#writes.write(request, { ...target, query })
    return answer.status < 300 ? { ...answer, body: present(answer.body as FakeObject) } : answer
  }

  #list(query: URLSearchParams, target: Target, present: (o: FakeObject) => FakeObject, accept: string): FakeAnswer {
    const { table } = target
    const token = query.get('continue')
    const [id = '', start = '0'] = token?.split('.') ?? []
    const fresh = () => ({
      items: [...table.objects.values()].filter(selectorOf(query, target.namespace)),
      version: this.store.version,
    })
    const snapshot = token ? this.#snapshots.get(id) : fresh()
    if (!snapshot) return refuse(410, 'Expired', 'The provided continue parameter is too old')
    const from = Number(start)
    const until = from + Number(query.get('limit') || Number.POSITIVE_INFINITY)
    const more = until < snapshot.items.length
    const next = token ? id : `s${++this.#snapshot}`
    if (more) this.#snapshots.set(next, snapshot)
    const { kind, group } = table.resource
    const partial = isPartial(accept)
    const items = snapshot.items.slice(from, until).map((object) => {
      const item = present(object)
      if (table.resource.custom || partial) return item
      // The items of built-in lists do not say what they are.
      const { apiVersion: _apiVersion, kind: _kind, ...rest } = item
      return rest
    })
    const type = {
      apiVersion: partial ? 'meta.k8s.io/v1' : group === '' ? target.version : `${group}/${target.version}`,
      kind: partial ? 'PartialObjectMetadataList' : `${kind}List`,
    }
    const metadata = { resourceVersion: String(snapshot.version), ...(more && { continue: `${next}.${until}` }) }
    // An API server writes the fields of a list of custom objects in alphabetical order.
    const body = table.resource.custom && !partial ? { items, ...type, metadata } : { ...type, metadata, items }
    return { status: 200, body }
  }

  #watch(
    { accept }: FakeRequest,
    query: URLSearchParams,
    target: Target,
    attributes: FakeAttributes,
    connection: FakeConnection,
  ): void {
    const watchList = query.get('sendInitialEvents') === 'true'
    const since = query.get('resourceVersion') ?? ''
    const refusal = this.#refuseWatch(watchList, since)
    if (refusal) {
      send(connection, refusal)
      return
    }
    const watch = new FakeWatch({
      attributes,
      table: target.table,
      connection,
      clock: this.#clock,
      faults: this.faults,
      since,
      watchList,
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      bookmarkInterval: this.#options.bookmarkInterval ?? 60_000,
      timeout: Number(query.get('timeoutSeconds') ?? 1800) * 1000,
      version: () => this.store.version,
      isSelected: selectorOf(query, target.namespace),
      present: presentAs(accept, target.table.resource, target.version),
      onClose: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    watch.start()
  }

  #refuseWatch(watchList: boolean, since: string): FakeAnswer | undefined {
    if (watchList && this.#options.watchList === false)
      return refuse(422, 'Invalid', 'sendInitialEvents: Forbidden: the WatchList feature gate is not enabled')
    if (Number(since) > this.store.version) return refuse(504, 'Timeout', `Too large resource version: ${since}`, 1)
    return undefined
  }

  #findTarget(path: string): Target | undefined {
    const parts = path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent)
    const [root, ...rest] = parts
    const group = root === 'apis' ? rest.shift() : root === 'api' ? '' : undefined
    const version = rest.shift()
    if (group === undefined || version === undefined) return undefined
    // /namespaces/<name>/<plural> is a list in a namespace, /namespaces/<name>[/status] the Namespace.
    const inNamespace = rest[0] === 'namespaces' && rest.length >= 3 && rest[2] !== 'status'
    const namespace = inNamespace ? String(rest.splice(0, 2)[1]) : ''
    const [plural = '', name = '', subresource = ''] = rest
    const table = this.store.table(group, plural)
    if (!table?.resource.versions.includes(version)) return undefined
    return { table, version, namespace, name, subresource }
  }

  #tableOf(kind: string): FakeTable | undefined {
    return [...this.store.tables()].find((table) => table.resource.kind === kind)
  }

  #putDefinition({ group, kind, plural, versions }: FakeResource): void {
    if (!this.store.table('apiextensions.k8s.io', 'customresourcedefinitions')) return
    this.put({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {
        name: `${plural}.${group}`,
        annotations: {
          'gateway.networking.k8s.io/bundle-version': 'v1.7.0',
          'gateway.networking.k8s.io/channel': 'experimental',
        },
      },
      spec: { group, names: { kind, plural }, versions: versions.map((name) => ({ name, served: true })) },
    })
  }
}

const verbs: Readonly<Record<string, FakeVerb>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

function describeRequest(request: FakeRequest, url: URL, target: Target | undefined): FakeAttributes {
  const { namespace = '', name = '', subresource = '' } = target ?? {}
  const resource = target ? target.table.resource.plural : url.pathname
  const isList = target !== undefined && name === '' && request.method === 'GET'
  const isWatch = isList && ['true', '1'].includes(url.searchParams.get('watch') ?? '')
  return {
    verb: isWatch ? 'watch' : isList ? 'list' : (verbs[request.method] ?? 'get'),
    resource: subresource === '' ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    continued: url.searchParams.has('continue'),
  }
}

function selectorOf(query: URLSearchParams, namespace: string): (object: FakeObject) => boolean {
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  return (object) => (namespace === '' || object.metadata.namespace === namespace) && fields(object) && labels(object)
}

function isPartial(accept: string): boolean {
  return /as=PartialObjectMetadata/.test(accept)
}

function presentAs(accept: string, { group, kind }: FakeResource, version: string): (object: FakeObject) => FakeObject {
  if (isPartial(accept))
    return ({ metadata }) => ({ apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata })
  const apiVersion = group === '' ? version : `${group}/${version}`
  return (object) => ({ ...object, apiVersion, kind })
}

function cutShort(connection: FakeConnection): FakeConnection {
  let isCut = false
  return {
    acceptsGzip: connection.acceptsGzip,
    start: (status, headers) => connection.start(status, headers),
    write: (text) => {
      if (isCut) return
      isCut = true
      connection.write(text.slice(0, text.length / 2))
      connection.end()
    },
    end: () => {},
    reset: () => connection.reset(),
    onClose: (run) => connection.onClose(run),
  }
}
