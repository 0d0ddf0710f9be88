import { ApiError } from './api-client.ts'
import { backslash, braceBit, closeBrace, closeBracket, comma, openBrace, openBracket, quote } from './json-bytes.ts'

/** Of most lists, as they come from the network. Bytes. */
const usualRoom = 32 * 1024
const itemsField = Buffer.from('"items":[')
/** The text up to the bracket of the items. A name that only ends so has a backslash before the quote. */
const upToItems = /[{,]\s*"items"\s*:\s*\[$/
const betweenItems = Buffer.from('},')
/** Items are looked for up to here. Bytes; a list has some hundred before them, if any. */
const maxBefore = 64 * 1024
/** An item that begins in a longer way tells nothing of the next ones. Bytes. */
const maxOpening = 256
/** After so many texts that were no JSON nothing more is told before the end. */
const maxRefused = 100

/**
 * Takes one item of a list.
 * @param item good until it returns
 * @returns whether it is JSON; if not, it comes again with more of the text
 */
export type TakeItem = (item: Buffer) => boolean

/**
 * Takes the items out of the text of a list while it comes, so that a list of any length needs the room of a few.
 *
 * To look at each byte would cost as much as to parse it. The items of an API server all begin alike, up to their
 * second brace (`{"apiVersion":"v1","kind":"Service","metadata":{`): where the end of one thing and that beginning
 * follow each other, an item has ended, unless they stand within one, whose text up to there is no JSON then. Only what
 * is left at the end is looked at byte by byte; of a list that is written in another way, that is all of it.
 */
export class ListSplitter {
  readonly #take: TakeItem
  readonly #max: number
  /** What has not been taken yet. */
  #text = Buffer.allocUnsafeSlow(usualRoom)
  #length = 0
  /** No item ends before. */
  #searched = 0
  /** The text up to the first item; '' until it is known. */
  #before = ''
  /** The end of an item and the beginning of the next one; undefined until that is known. */
  #separator: Buffer | undefined
  /** Nothing is told before the end. */
  #isUnusual = false
  #hasItems = false
  /** Texts of items that were no JSON. */
  #refused = 0

  /** @param max bytes of an item */
  constructor(take: TakeItem, max: number) {
    this.#take = take
    this.#max = max
  }

  /** @throws ApiError malformed for an item that is too long, and whatever `take` throws */
  write(chunk: Buffer): void {
    this.#append(chunk)
    if (!this.#isUnusual) {
      if (this.#before === '') this.#findItems()
      if (this.#before !== '' && this.#separator === undefined) this.#findSeparator()
      if (this.#separator !== undefined) this.#takeItems(this.#separator)
    }
    if (this.#length > this.#max) throw new ApiError('malformed', `an item of more than ${this.#max} bytes`)
  }

  /**
   * To be called when the text has come to its end.
   * @returns the text without its items
   * @throws ApiError malformed for an item that is no JSON, and whatever `take` throws
   */
  end(): string {
    const text = this.#text.subarray(0, this.#length)
    const { around } = scanList(text, { isAmongItems: this.#before !== '', hasItems: this.#hasItems }, (item) => {
      if (!this.#take(item)) throw new ApiError('malformed', 'an item of the list is not JSON')
    })
    return this.#before + around
  }

  #append(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#text.length) {
      const text = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#text.length))
      this.#text.copy(text, 0, 0, this.#length)
      this.#text = text
    }
    chunk.copy(this.#text, this.#length)
    this.#length = length
  }

  /** Forgets the beginning of what has not been taken. */
  #drop(length: number): void {
    this.#text.copyWithin(0, length, this.#length)
    this.#length -= length
  }

  #findItems(): void {
    const text = this.#text.subarray(0, Math.min(this.#length, maxBefore))
    const at = text.indexOf(itemsField)
    if (at < 0) {
      this.#isUnusual = text.length === maxBefore
      return
    }
    const before = text.subarray(0, at + itemsField.length)
    const { around, isAmongItems } = scanList(before, { isAmongItems: false, hasItems: false }, () => {})
    // A field of the list may have items too.
    this.#isUnusual = !isAmongItems
    if (this.#isUnusual) return
    this.#before = around
    this.#drop(before.length)
  }

  #findSeparator(): void {
    const text = this.#text.subarray(0, Math.min(this.#length, maxOpening))
    const opening = text.subarray(0, text.indexOf(openBrace, 1) + 1)
    if (opening.length === 0) this.#isUnusual = text.length === maxOpening
    else if (opening[0] !== openBrace || opening.includes(closeBrace)) this.#isUnusual = true
    else this.#separator = Buffer.concat([betweenItems, opening])
  }

  #takeItems(separator: Buffer): void {
    const text = this.#text.subarray(0, this.#length)
    let begin = 0
    let from = this.#searched
    for (let end = text.indexOf(separator, from); end >= 0; end = text.indexOf(separator, from)) {
      from = end + 1
      if (this.#take(text.subarray(begin, end + 1))) begin = end + betweenItems.length
      else if (++this.#refused > maxRefused) {
        // They all begin at the same place: to go on would cost more than a look at each byte.
        this.#isUnusual = true
        break
      }
    }
    // The next separator may have begun.
    this.#searched = Math.max(0, from - begin, text.length - separator.length + 1 - begin)
    if (begin === 0) return
    this.#hasItems = true
    this.#drop(begin)
  }
}

interface ListPlace {
  /** Whether it is between the brackets of the items. */
  readonly isAmongItems: boolean
  /** Whether there was an item before. */
  readonly hasItems: boolean
}

/**
 * Looks at each byte of a part of a list.
 * @param place where it begins
 * @returns the text without its items, and whether it ends among them
 */
function scanList(text: Buffer, place: ListPlace, take: (item: Buffer) => void) {
  let { isAmongItems, hasItems } = place
  let around = ''
  /** Braces and brackets that are open: two between items. */
  let depth = isAmongItems ? 2 : 0
  /** Where the item begins, or the text around. */
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] as number
    if (byte === quote) {
      for (at++; at < text.length && text[at] !== quote; at++) if (text[at] === backslash) at++
    } else if ((byte | braceBit) === openBrace) {
      depth++
      if (depth !== 2 || byte !== openBracket || isAmongItems) continue
      around += text.toString('utf8', from, at + 1)
      from = at + 1
      isAmongItems = upToItems.test(around)
    } else if ((byte | braceBit) === closeBrace) {
      if (depth === 2 && byte === closeBracket && isAmongItems) {
        const item = text.subarray(from, at)
        // An empty list has none.
        if (hasItems || !/^\s*$/.test(item.toString('latin1'))) take(item)
        isAmongItems = false
        from = at
      }
      depth--
    } else if (byte === comma && depth === 2 && isAmongItems) {
      take(text.subarray(from, at))
      hasItems = true
      from = at + 1
    }
  }
  if (!isAmongItems) around += text.toString('utf8', from)
  return { around, isAmongItems }
}
