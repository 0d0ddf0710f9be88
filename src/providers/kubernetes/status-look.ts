import { isStructurallyEqual } from '../../collections/equality.ts'
import type { StatusKind } from './status-kind.ts'

/** All that decides whether the status of an object has to be written. */
export interface StatusLook {
  readonly kind: StatusKind
  readonly namespace: string
  readonly status: string
  readonly desired: object | undefined
}

export function isSameLook(look: StatusLook, last: StatusLook | undefined): boolean {
  return (
    look.kind === last?.kind &&
    look.namespace === last.namespace &&
    look.status === last.status &&
    isStructurallyEqual(look.desired, last.desired)
  )
}
