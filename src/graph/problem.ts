/**
 * Something that a user should change. Translation only reports problems; the tables in `status/`
 * turn them into conditions and rank them where a condition has room for one reason.
 */
export interface Problem {
  /** The condition type that this concerns, e.g. "Accepted" or "ResolvedRefs". */
  readonly on: string
  /** A reason of that condition, of the specification where it has a fitting one. */
  readonly reason: string
  /** A sentence that names the object, the field and the fix. */
  readonly message: string
  /** Where in the object, e.g. "spec.rules[0].backendRefs[1]". */
  readonly path?: string
  /** The condition is Unknown rather than failed: nobody could be asked. */
  readonly unknown?: boolean
}
