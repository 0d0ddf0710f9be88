/** Bytes that give JSON its form. */
export const [quote, backslash, colon, comma] = [0x22, 0x5c, 0x3a, 0x2c]
export const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d]
/** What tells a bracket from a brace. */
export const braceBit = 0x20
