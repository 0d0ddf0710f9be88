type Json = Record<string, unknown>

/** Messages of google.protobuf with a JSON form of their own, from the form that their fields would give. */
export const wellKnownTypes: Readonly<Record<string, (message: Json) => unknown>> = {
  'google.protobuf.Duration': ({ seconds = 0, nanos = 0 }) => renderDuration(Number(seconds), Number(nanos)),
  'google.protobuf.BoolValue': ({ value = false }) => value,
  'google.protobuf.StringValue': ({ value = '' }) => value,
  'google.protobuf.BytesValue': ({ value = '' }) => value,
  'google.protobuf.DoubleValue': ({ value = 0 }) => value,
  'google.protobuf.FloatValue': ({ value = 0 }) => value,
  'google.protobuf.Int32Value': ({ value = 0 }) => value,
  'google.protobuf.UInt32Value': ({ value = 0 }) => value,
  'google.protobuf.Int64Value': ({ value = 0 }) => value,
  'google.protobuf.UInt64Value': ({ value = 0 }) => value,
  'google.protobuf.Struct': ({ fields = {} }) => fields,
  'google.protobuf.ListValue': ({ values = [] }) => values,
  'google.protobuf.Value': renderValue,
  'google.protobuf.Empty': () => ({}),
}

/** "5s", "0.250s": as many decimals as needed, in groups of three. */
export function renderDuration(seconds: number, nanos: number): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : ''
  const decimals = String(Math.abs(nanos))
    .padStart(9, '0')
    .replace(/(?:000)+$/, '')
  return `${sign}${Math.abs(seconds)}${decimals === '' ? '' : `.${decimals}`}s`
}

/** Exactly one field of a Value is set; the parts of Structs and lists have been rendered already. */
function renderValue(message: Json): unknown {
  if ('null_value' in message) return null
  return Object.values(message)[0] ?? null
}
