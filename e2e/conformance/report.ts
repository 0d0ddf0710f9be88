import { parse } from 'yaml'

export interface ReportSection {
  readonly result: string
  readonly statistics: { readonly Passed: number; readonly Failed: number; readonly Skipped: number }
  readonly failedTests?: readonly string[]
  readonly skippedTests?: readonly string[]
  readonly supportedFeatures?: readonly string[]
  readonly unsupportedFeatures?: readonly string[]
}

/** What we read of an official ConformanceReport. */
export interface Report {
  readonly date: string
  readonly gatewayAPIVersion: string
  readonly gatewayAPIChannel: string
  readonly implementation: { readonly version: string }
  readonly profiles: readonly {
    readonly name: string
    readonly summary: string
    readonly core: ReportSection
    readonly extended?: ReportSection
  }[]
}

export function parseReport(yaml: string): Report {
  return parse(yaml) as Report
}

/** What has to be said beside every result of a version whose suite could not be built as published. */
export const caveats: Readonly<Record<string, string>> = {
  'v1.7.0':
    'The suite was built with v0.1.0 of gateway-api-conformance-images as a stand-in for v0.2.0, which the module proxy refused: this is no official report.',
}

/** One line per profile and section. */
export function formatSummary({ gatewayAPIVersion, gatewayAPIChannel, profiles }: Report): string {
  const section = (name: string, part: ReportSection | undefined) => {
    if (!part) return []
    const { Passed, Failed, Skipped } = part.statistics
    return [`${name} ${Passed} passed, ${Failed} failed, ${Skipped} skipped`]
  }
  const lines = profiles.map(
    ({ name, core, extended }) =>
      `  ${name.padEnd(13)} ${[...section('core', core), ...section('extended', extended)].join('; ')}`,
  )
  const caveat = caveats[gatewayAPIVersion]
  return [
    `Conformance with Gateway API ${gatewayAPIVersion} (${gatewayAPIChannel} channel):`,
    ...lines,
    ...(caveat === undefined ? [] : [`  ${caveat}`]),
  ].join('\n')
}

/** What an earlier report shows and this one does not: profiles, claimed features, a number of passed tests. */
export function listLosses(earlier: Report, report: Report): string[] {
  return earlier.profiles.flatMap((before) => {
    const { name } = before
    const now = report.profiles.find((profile) => profile.name === name)
    if (!now) return [`${name}: not run`]
    return (['core', 'extended'] as const).flatMap((section) => {
      const passed = now[section]?.statistics.Passed ?? 0
      const expected = before[section]?.statistics.Passed ?? 0
      const claimed = now[section]?.supportedFeatures ?? []
      const lost = before[section]?.supportedFeatures?.filter((feature) => !claimed.includes(feature)) ?? []
      return [
        ...(passed < expected ? [`${name}: ${passed} ${section} tests passed, ${expected} did before`] : []),
        ...lost.map((feature) => `${name}: ${feature} is not claimed any more`),
      ]
    })
  })
}
