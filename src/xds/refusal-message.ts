/** A sentence, not a document. */
const longest = 500

/** How a message of Envoy's protobuf library begins to print the message that it is about. */
const printedMessage = /goo\.gle\/debug|\n/

/**
 * What may be told of a proxy's reason for a refusal. Envoy often prints the whole resource, with what belongs
 * to other tenants or is a secret: all of that is cut off, even if no reason is left.
 */
export function renderRefusal(message: string): string {
  const printed = message.search(printedMessage)
  const told = (printed < 0 ? message : message.slice(0, printed)).replace(/[\s:]+$/, '')
  if (told === '') return 'it breaks a rule of the Envoy API, and Envoy does not say which'
  return told.length > longest ? `${told.slice(0, longest)}…` : told
}
