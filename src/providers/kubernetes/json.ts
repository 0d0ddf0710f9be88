/** An object out of JSON whose fields are not checked. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value if it is an object, otherwise an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** Those items of a list that are objects; an empty list if it is none. */
export function asList(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** The object that a text holds; an empty one if it holds none. */
export function parseObject(text: string): JsonObject {
  if (text === '') return {}
  try {
    return asObject(JSON.parse(text))
  } catch {
    return {}
  }
}
