import { z } from 'zod'
import { objectSchema } from './object-meta.ts'
import { gatewayGroup, LocalObjectReference } from './reference.ts'
import { annotationRules, Group, Hostname, Kind, ObjectName, PreciseHostname, SectionName } from './scalar.ts'
import { enumSchema, listSchema, stringMapSchema, textSchema, withRules } from './schema.ts'

/** What a policy is about: in its own namespace, all of the target or one section (a Service's port) of it. */
export const PolicyTargetReference = z.strictObject({
  group: Group,
  kind: Kind,
  name: ObjectName,
  sectionName: SectionName.optional(),
})
export type PolicyTargetReference = z.output<typeof PolicyTargetReference>

const TargetReferences = withRules(listSchema(PolicyTargetReference, { min: 1, max: 16 }), (targets, complain) => {
  for (const [index, { group, kind, name, sectionName }] of targets.entries()) {
    const others = targets
      .slice(0, index)
      .filter((other) => other.group === group && other.kind === kind && other.name === name)
    if (others.some((other) => (other.sectionName === undefined) !== (sectionName === undefined)))
      complain([index], `${kind} "${name}" is targeted more than once: give sectionName each time`)
    else if (others.some((other) => other.sectionName === sectionName))
      complain([index], `${kind} "${name}" is targeted already: give another sectionName`)
  }
})

/** A name that the backend's certificate may have instead of the hostname. */
export const SubjectAltName = withRules(
  z.strictObject({
    type: enumSchema(['Hostname', 'URI']),
    hostname: Hostname.optional(),
    uri: textSchema({
      what: 'an absolute URI',
      fix: 'use a scheme and two slashes, such as spiffe://example.com/a',
      max: 253,
      pattern: /^[^:/?#]+:\/\//,
    }).optional(),
  }),
  (name, complain) => {
    for (const [type, field] of [
      ['Hostname', 'hostname'],
      ['URI', 'uri'],
    ] as const) {
      const given = name[field] !== undefined
      if (type === name.type && !given) complain([field], `is required when type is ${type}: add it`)
      if (type !== name.type && given) complain([field], `is not allowed when type is ${name.type}: remove it`)
    }
  },
)
export type SubjectAltName = z.output<typeof SubjectAltName>

/** How a backend proves who it is. Either references to authorities, or a well-known set of them. */
export const BackendTLSPolicyValidation = withRules(
  z.strictObject({
    caCertificateRefs: listSchema(LocalObjectReference, { max: 8 }).optional(),
    wellKnownCACertificates: textSchema({
      what: 'a set of certificates',
      fix: 'use System',
      max: 253,
      pattern:
        /^(?:System|[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/(?:[A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])$/,
    }).optional(),
    /** The SNI, and the name in the certificate unless subjectAltNames are given. */
    hostname: PreciseHostname,
    subjectAltNames: listSchema(SubjectAltName, { max: 5 }).optional(),
  }),
  ({ caCertificateRefs = [], wellKnownCACertificates }, complain) => {
    const given = caCertificateRefs.length > 0
    if (given && wellKnownCACertificates !== undefined)
      complain(['wellKnownCACertificates'], 'is not allowed together with caCertificateRefs: remove one of them')
    if (!given && wellKnownCACertificates === undefined)
      complain(['caCertificateRefs'], 'is required: name a ConfigMap, or set wellKnownCACertificates: System')
  },
)
export type BackendTLSPolicyValidation = z.output<typeof BackendTLSPolicyValidation>

/** TLS towards the backends of Services. */
export const BackendTLSPolicy = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1alpha3'], kind: 'BackendTLSPolicy' },
  {
    spec: z.strictObject({
      targetRefs: TargetReferences,
      validation: BackendTLSPolicyValidation,
      options: stringMapSchema(annotationRules).optional(),
    }),
  },
)
export type BackendTLSPolicy = z.output<typeof BackendTLSPolicy>
