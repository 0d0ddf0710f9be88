import { backendCases } from './backend-cases.ts'
import type { BadCase } from './bad-case.ts'
import { buildCertificateCases } from './certificate-cases.ts'
import { headerCases } from './header-cases.ts'
import { listenerCases } from './listener-cases.ts'
import { pathCases } from './path-cases.ts'
import { regularExpressionCases } from './regular-expression-cases.ts'
import { routeCases } from './route-cases.ts'
import { textCases } from './text-cases.ts'

/** All cases. Keys and certificates are made anew. */
export function listBadCases(): BadCase[] {
  return [
    ...regularExpressionCases,
    ...headerCases,
    ...pathCases,
    ...routeCases,
    ...backendCases,
    ...listenerCases,
    ...buildCertificateCases(),
    ...textCases,
  ]
}
