import { hash } from 'node:crypto'
import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/** Of labels and of the names of Services. */
const longest = 63
const hashLength = 12
const purposeLength = 8

/**
 * The name of everything that exists for a Gateway: "<gateway>-<class>" (GEP-1762), where that is a name
 * that a Service may have; else as much of it as fits and a hash. Two Gateways may still come to one name
 * ("a-b" of class "c", "a" of class "b-c"); objects are told apart by their owner, and the second is refused.
 */
export function infrastructureName({ key, className }: Pick<ProxyFleet, 'key' | 'className'>): string {
  const { name } = splitNamespacedName(key)
  const whole = `${name}-${className}`
  if (whole.length <= longest && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(whole)) return whole
  const plain = whole.replace(/[^-a-z0-9]/g, '-')
  const begun = /^[a-z]/.test(plain) ? plain : `gw-${plain}`
  return shorten(begun, `${name}/${className}`)
}

/**
 * The name of a further Service of a Gateway.
 * @param purpose what it is for; equal names are for equal purposes
 */
export function addressServiceName(fleet: Pick<ProxyFleet, 'key' | 'className'>, purpose: string): string {
  const name = infrastructureName(fleet)
  const kept = name.slice(0, longest - purposeLength - 1).replace(/-+$/, '')
  return `${kept}-${hash('sha256', `${name} ${purpose}`, 'hex').slice(0, purposeLength)}`
}

/** A name as the value of a label, which may be shorter than the name. */
export function labelValue(name: string): string {
  return name.length <= longest ? name : shorten(name, name)
}

function shorten(text: string, unique: string): string {
  const kept = text.slice(0, longest - hashLength - 1).replace(/[^A-Za-z0-9]+$/, '')
  return `${kept}-${hash('sha256', unique, 'hex').slice(0, hashLength)}`
}
