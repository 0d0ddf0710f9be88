import { describe, expect, test, vi } from 'vitest'
import type { Logger } from '../base/logger.ts'
import { silentLogger } from '../base/logger.ts'
import type { Change, Collection, Reads } from './collection.ts'
import { Scheduler } from './scheduler.ts'

/** What the suite puts in and expects to get out again; an object, so that identity can be told from equality. */
interface Note {
  readonly text: string
}

const note = (text: string): Note => ({ text })

/** One kind of collection, wired so that it shows exactly what was put into its sources. */
interface Rig {
  /** The three below are called inside a batch. */
  put(key: string, value: Note): void
  remove(key: string): void
  replace(entries: readonly (readonly [string, Note])[]): void
  /** Makes the entry of one key the entry of another one, in the way that is hardest for this kind. */
  move(from: string, to: string): void
  size(): number
  get(key: string): Note | undefined
  entries(): Iterable<readonly [string, Note]>
  readValue(reads: Reads, key: string): Note | undefined
  readPresence(reads: Reads, key: string): boolean
  /** Undefined for an index, which has no listeners. */
  readonly collection: Collection<string, Note> | undefined
}

function rigFor(
  collection: Collection<string, Note>,
  writes: Pick<Rig, 'put' | 'remove' | 'replace'> & Partial<Rig>,
): Rig {
  return {
    collection,
    size: () => collection.size,
    get: (key) => collection.get(key),
    entries: () => collection.entries(),
    readValue: (reads, key) => reads.get(collection, key),
    readPresence: (reads, key) => reads.has(collection, key),
    move(from, to) {
      const value = collection.get(from) as Note
      writes.remove(from)
      writes.put(to, value)
    },
    ...writes,
  }
}

interface Named {
  readonly name: string
  readonly note: Note
}

/** A source whose entries say themselves under which name they want to appear. */
function namedSource(scheduler: Scheduler) {
  const source = scheduler.source<string, Named>('named')
  const slotOf = (name: string): string => {
    for (const [slot, named] of source.entries()) if (named.name === name) return slot
    return `slot-${name}`
  }
  return {
    source,
    writes: {
      put: (name: string, value: Note) => source.set(slotOf(name), { name, note: value }),
      remove: (name: string) => source.delete(slotOf(name)),
      replace: (entries: readonly (readonly [string, Note])[]) =>
        source.replace(entries.map(([name, value]) => [slotOf(name), { name, note: value }])),
      move(from: string, to: string) {
        const slot = slotOf(from)
        source.set(slot, { name: to, note: (source.get(slot) as Named).note })
      },
    },
  }
}

const kinds: Record<string, (scheduler: Scheduler) => Rig> = {
  source(scheduler) {
    const source = scheduler.source<string, Note>('subject')
    return rigFor(source, {
      put: (key, value) => source.set(key, value),
      remove: (key) => source.delete(key),
      replace: (entries) => source.replace(entries),
    })
  },
  derive(scheduler) {
    const source = scheduler.source<string, Note>('input')
    const prefix = scheduler.source<string, string>('prefix')
    const subject = scheduler.derive('subject', source, (value, reads) => ({
      text: `${reads.get(prefix, 'none') ?? ''}${value.text}`,
    }))
    return rigFor(subject, {
      put: (key, value) => source.set(key, value),
      remove: (key) => source.delete(key),
      replace: (entries) => source.replace(entries),
    })
  },
  deriveMany(scheduler) {
    // All keys with the same first letter come from one input.
    const chunks = scheduler.source<string, Readonly<Record<string, Note>>>('chunks')
    const subject = scheduler.deriveMany('subject', chunks, (chunk) =>
      Object.entries(chunk).map(([key, value]) => [key, { ...value }] as const),
    )
    const put = (key: string, value: Note) => chunks.set(key.charAt(0), { ...chunks.get(key.charAt(0)), [key]: value })
    return rigFor(subject, {
      put,
      remove(key) {
        const { [key]: _, ...rest } = chunks.get(key.charAt(0)) ?? {}
        if (Object.keys(rest).length === 0) chunks.delete(key.charAt(0))
        else chunks.set(key.charAt(0), rest)
      },
      replace(entries) {
        chunks.replace([])
        for (const [key, value] of entries) put(key, value)
      },
    })
  },
  group(scheduler) {
    const { source, writes } = namedSource(scheduler)
    const byName = scheduler.index('by name', source, (named) => [named.name])
    const subject = scheduler.group('subject', byName, (_name, _reads, members) => members[0]?.note)
    return rigFor(subject, writes)
  },
  join(scheduler) {
    const first = scheduler.source<string, Note>('first')
    const second = scheduler.source<string, Note>('second')
    const subject = scheduler.join('subject', [first, second])
    // Keys from m on live in the second source.
    const home = (key: string) => (key < 'm' ? first : second)
    return rigFor(subject, {
      put: (key, value) => home(key).set(key, value),
      remove: (key) => home(key).delete(key),
      replace(entries) {
        first.replace(entries.filter(([key]) => home(key) === first))
        second.replace(entries.filter(([key]) => home(key) === second))
      },
    })
  },
  index(scheduler) {
    const { source, writes } = namedSource(scheduler)
    const index = scheduler.index('subject', source, (named) => [named.name])
    return {
      ...writes,
      collection: undefined,
      size: () => [...index.keys()].length,
      get: (key) => index.lookup(key)[0]?.note,
      entries: () => [...index.keys()].map((key) => [key, index.lookup(key)[0]?.note as Note] as const),
      readValue: (reads, key) => reads.lookup(index, key)[0]?.note,
      readPresence: (reads, key) => reads.count(index, key) > 0,
    }
  },
}

function setUp(kind: string, logger: Logger = silentLogger) {
  const scheduler = new Scheduler({ logger })
  const rig = kinds[kind]?.(scheduler) as Rig
  const fill = (...entries: (readonly [string, Note])[]) =>
    scheduler.batch(() => {
      for (const [key, value] of entries) rig.put(key, value)
    })
  /** A derivation that reads the subject, and how often it ran. */
  const watch = (read: (reads: Reads) => unknown) => {
    const only = scheduler.source<string, number>('only')
    scheduler.batch(() => only.set('x', 0))
    const compute = vi.fn((_value: number, reads: Reads) => ({ read: read(reads) }))
    const watcher = scheduler.derive('watcher', only, compute)
    compute.mockClear()
    return { compute, latest: () => watcher.get('x')?.read }
  }
  return { scheduler, rig, fill, watch }
}

const contentOf = (rig: Rig) => Object.fromEntries(rig.entries())

describe.each(Object.keys(kinds))('Every collection, here: %s', (kind) => {
  test('shows what was added, in every way of asking', () => {
    const { rig, fill } = setUp(kind)
    fill(['a', note('one')], ['z', note('two')])
    expect(contentOf(rig)).toEqual({ a: note('one'), z: note('two') })
    expect(rig.size()).toBe(2)
    expect(rig.get('a')).toEqual(note('one'))
    expect(rig.get('b')).toBeUndefined()
    if (rig.collection !== undefined) {
      expect(rig.collection.has('z')).toBe(true)
      expect(rig.collection.has('b')).toBe(false)
    }
  })

  test('shows the new value after a change', () => {
    const { rig, fill } = setUp(kind)
    fill(['a', note('one')], ['b', note('two')])
    fill(['a', note('changed')])
    expect(contentOf(rig)).toEqual({ a: note('changed'), b: note('two') })
  })

  test('shows nothing of what was deleted', () => {
    const { scheduler, rig, fill } = setUp(kind)
    fill(['a', note('one')], ['ab', note('two')], ['z', note('three')])
    scheduler.batch(() => rig.remove('a'))
    expect(contentOf(rig)).toEqual({ ab: note('two'), z: note('three') })
    expect(rig.size()).toBe(2)
    expect(rig.get('a')).toBeUndefined()
  })

  test('loses by a replacement what it does not name', () => {
    const { scheduler, rig, fill } = setUp(kind)
    fill(['a', note('one')], ['b', note('two')], ['z', note('three')])
    scheduler.batch(() =>
      rig.replace([
        ['b', note('two')],
        ['y', note('new')],
      ]),
    )
    expect(contentOf(rig)).toEqual({ b: note('two'), y: note('new') })
  })

  test('keeps the instance it had when an equal value comes', () => {
    const { rig, fill, watch } = setUp(kind)
    fill(['a', note('one')])
    const before = rig.get('a')
    const { compute } = watch((reads) => rig.readValue(reads, 'a'))
    fill(['a', note('one')])
    expect(rig.get('a')).toBe(before)
    expect(compute).not.toHaveBeenCalled()
  })

  test('moves an entry from one key to another in one batch', () => {
    const { scheduler, rig, fill, watch } = setUp(kind)
    fill(['a', note('one')], ['b', note('two')])
    const seen = watch((reads) => [rig.readValue(reads, 'a')?.text, rig.readValue(reads, 'z')?.text])
    scheduler.batch(() => rig.move('a', 'z'))
    expect(contentOf(rig)).toEqual({ b: note('two'), z: note('one') })
    expect(seen.latest()).toEqual([undefined, 'one'])
    expect(seen.compute).toHaveBeenCalledTimes(1)
  })

  test('remembers who read an absent key', () => {
    const { scheduler, rig, fill, watch } = setUp(kind)
    const seen = watch((reads) => rig.readValue(reads, 'late')?.text)
    expect(seen.latest()).toBeUndefined()
    fill(['late', note('here')])
    expect(seen.latest()).toBe('here')
    scheduler.batch(() => rig.remove('late'))
    expect(seen.latest()).toBeUndefined()
    expect(seen.compute).toHaveBeenCalledTimes(2)
  })

  test('tells the reader of one key nothing about another key', () => {
    const { rig, fill, watch } = setUp(kind)
    fill(['a', note('one')], ['ab', note('two')])
    const seen = watch((reads) => rig.readValue(reads, 'ab'))
    fill(['a', note('changed')], ['b', note('new')])
    expect(seen.compute).not.toHaveBeenCalled()
    fill(['ab', note('changed')])
    expect(seen.compute).toHaveBeenCalledTimes(1)
  })

  test('tells who reads only presence about coming and going, not about change', () => {
    const { scheduler, rig, fill, watch } = setUp(kind)
    fill(['a', note('one')])
    const seen = watch((reads) => rig.readPresence(reads, 'a'))
    fill(['a', note('changed')])
    expect(seen.compute).not.toHaveBeenCalled()
    scheduler.batch(() => rig.remove('a'))
    expect(seen.latest()).toBe(false)
    fill(['a', note('back')])
    expect(seen.latest()).toBe(true)
    expect(seen.compute).toHaveBeenCalledTimes(2)
  })

  test('shows the last of several writes to one key', () => {
    const { scheduler, rig, watch } = setUp(kind)
    const seen = watch((reads) => rig.readValue(reads, 'a')?.text)
    scheduler.batch(() => {
      rig.put('a', note('one'))
      rig.remove('a')
      rig.put('a', note('two'))
      rig.put('a', note('three'))
    })
    expect(seen.latest()).toBe('three')
    expect(seen.compute).toHaveBeenCalledTimes(1)
  })

  test('takes no notice of what comes and goes within one batch', () => {
    const { scheduler, rig, fill, watch } = setUp(kind)
    fill(['b', note('two')])
    const seen = watch((reads) => [rig.readValue(reads, 'a'), rig.readValue(reads, 'b')])
    scheduler.batch(() => {
      rig.put('a', note('one'))
      rig.remove('a')
      rig.remove('b')
      rig.put('b', note('two'))
    })
    expect(contentOf(rig)).toEqual({ b: note('two') })
    expect(seen.compute).not.toHaveBeenCalled()
  })

  test('holds nothing when everything was deleted', () => {
    const { scheduler, rig, fill } = setUp(kind)
    const baseline = scheduler.retained()
    fill(['a', note('one')], ['ab', note('two')], ['z', note('three')])
    expect(scheduler.retained()).not.toEqual(baseline)
    scheduler.batch(() => rig.move('a', 'y'))
    scheduler.batch(() => rig.replace([]))
    expect(scheduler.retained()).toEqual(baseline)
    expect(rig.size()).toBe(0)
    expect(contentOf(rig)).toEqual({})
  })
})

describe.each(Object.keys(kinds).filter((kind) => kind !== 'index'))('Every subscription, here to: %s', (kind) => {
  function subscribed(logger?: Logger) {
    const { scheduler, rig, fill } = setUp(kind, logger)
    const collection = rig.collection as Collection<string, Note>
    const told: Change<string, Note>[][] = []
    const listen = (changes: readonly Change<string, Note>[]) => {
      told.push([...changes].sort((a, b) => (a.key < b.key ? -1 : 1)))
    }
    return { scheduler, rig, fill, collection, told, listen }
  }

  test('is told the net changes once per batch', () => {
    const { scheduler, rig, fill, collection, told, listen } = subscribed()
    fill(['a', note('one')], ['b', note('two')], ['c', note('three')])
    collection.subscribe(listen)
    expect(told).toEqual([])
    scheduler.batch(() => {
      rig.put('a', note('between'))
      rig.put('a', note('changed'))
      rig.remove('b')
      rig.put('c', note('three'))
      rig.put('z', note('new'))
    })
    expect(told).toEqual([
      [
        { key: 'a', before: note('one'), after: note('changed') },
        { key: 'b', before: note('two'), after: undefined },
        { key: 'z', before: undefined, after: note('new') },
      ],
    ])
  })

  test('is not told when nothing has changed in the end', () => {
    const { scheduler, rig, fill, collection, told, listen } = subscribed()
    fill(['a', note('one')])
    collection.subscribe(listen)
    fill(['a', note('one')])
    scheduler.batch(() => {
      rig.put('b', note('short-lived'))
      rig.remove('b')
      rig.remove('never there')
    })
    scheduler.batch(() => rig.replace([['a', note('one')]]))
    scheduler.batch(() => {})
    expect(told).toEqual([])
  })

  test('is told a move as one going and one coming', () => {
    const { scheduler, rig, fill, collection, told, listen } = subscribed()
    fill(['a', note('one')])
    collection.subscribe(listen)
    scheduler.batch(() => rig.move('a', 'z'))
    expect(told).toEqual([
      [
        { key: 'a', before: note('one'), after: undefined },
        { key: 'z', before: undefined, after: note('one') },
      ],
    ])
  })

  test('sees everything settled when it is told', () => {
    const { scheduler, fill, collection } = subscribed()
    const later = scheduler.derive('later', collection, (value) => `${value.text}!`)
    const seen: unknown[] = []
    collection.subscribe(() => seen.push(later.get('a')))
    fill(['a', note('one')])
    expect(seen).toEqual(['one!'])
  })

  test('ends when it is told to, also by another listener of the same batch', () => {
    const { fill, collection, told, listen } = subscribed()
    const unsubscribeFirst = collection.subscribe(() => unsubscribeSecond())
    const unsubscribeSecond = collection.subscribe(listen)
    fill(['a', note('one')])
    unsubscribeFirst()
    fill(['a', note('two')])
    expect(told).toEqual([])
  })

  test('counts on its own, though another has the same listener', () => {
    const { fill, collection, told, listen } = subscribed()
    const unsubscribe = collection.subscribe(listen)
    collection.subscribe(listen)
    fill(['a', note('one')])
    expect(told).toHaveLength(2)
    unsubscribe()
    unsubscribe()
    fill(['a', note('two')])
    expect(told).toHaveLength(3)
  })

  test('is told although another listener throws, which is logged', () => {
    const error = vi.fn()
    const { fill, collection, told, listen } = subscribed({ ...silentLogger, error })
    collection.subscribe(() => {
      throw new Error('listener bug')
    })
    collection.subscribe(listen)
    fill(['a', note('one')])
    expect(told).toHaveLength(1)
    expect(error).toHaveBeenCalledExactlyOnceWith('A listener threw', {
      collection: 'subject',
      error: new Error('listener bug'),
    })
  })

  test('hears of the batch that a listener opens after everyone has heard of the first', () => {
    const { scheduler, rig, fill, collection, told, listen } = subscribed()
    const seenByOthers: unknown[] = []
    collection.subscribe((changes) => {
      if (changes.some((change) => change.key === 'a')) scheduler.batch(() => rig.put('b', note('answer')))
    })
    collection.subscribe(() => seenByOthers.push(contentOf(rig)))
    collection.subscribe(listen)
    fill(['a', note('one')])
    expect(told).toEqual([
      [{ key: 'a', before: undefined, after: note('one') }],
      [{ key: 'b', before: undefined, after: note('answer') }],
    ])
    expect(seenByOthers).toEqual([{ a: note('one') }, { a: note('one'), b: note('answer') }])
  })
})
