/** A Kubernetes label selector: all of its requirements must hold; an empty one selects everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined
  readonly matchExpressions?: ReadonlyArray<LabelSelectorRequirement> | undefined
}

export interface LabelSelectorRequirement {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[] | undefined
}

/** @returns a sentence on what is wrong with the selector, which then selects nothing */
export function checkLabelSelector(selector: LabelSelector): string | undefined {
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const needsValues = operator === 'In' || operator === 'NotIn'
    if (!needsValues && operator !== 'Exists' && operator !== 'DoesNotExist')
      return `operator "${operator}" of key "${key}" is unknown: use In, NotIn, Exists or DoesNotExist`
    if (needsValues && values.length === 0) return `operator ${operator} of key "${key}" needs values`
    if (!needsValues && values.length > 0) return `operator ${operator} of key "${key}" takes no values`
  }
  return undefined
}

export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  if (checkLabelSelector(selector) !== undefined) return false
  const label = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)
  for (const key of Object.keys(selector.matchLabels ?? {})) {
    if (label(key) !== selector.matchLabels?.[key]) return false
  }
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = label(key)
    if (operator === 'In') return value !== undefined && values.includes(value)
    if (operator === 'NotIn') return value === undefined || !values.includes(value)
    return (value !== undefined) === (operator === 'Exists')
  })
}
