/**
 * What the RE2 of stock Envoy knows of `\p{...}`: general categories, and the scripts of Unicode 15. The
 * library that checks patterns here has younger tables, and properties that RE2 has never had.
 */
const unicodeClasses: ReadonlySet<string> = new Set(
  `
  Any C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
  Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
  Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
  Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
  Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
  Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
  Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
  Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
  Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
  Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
  New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian
  Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong
  Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian
  Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le
  Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai
  Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
`
    .trim()
    .split(/\s+/),
)

/** Envoy compiles patterns for bytes, not for characters: no escape may stand for more than a byte. */
const largestCode = 0xff

/**
 * Finds an escape that is right in RE2's syntax and that Envoy refuses all the same, with the whole table.
 * @param pattern one that RE2's syntax allows
 * @returns what is wrong and how to put it right, undefined when nothing is
 */
export function checkEscapes(pattern: string): string | undefined {
  // \Q...\E is literal text; every other backslash takes what follows along, so that "\\p" is no class.
  const escapes = /\\(?:Q.*?(?:\\E|$)|[pP]\{\^?([^}]*)\}|x\{([0-9A-Fa-f]+)\}|([0-7]{3})|.)/gsu
  for (const [text, unicodeClass, hexadecimal, octal] of pattern.matchAll(escapes)) {
    if (unicodeClass !== undefined && !unicodeClasses.has(unicodeClass))
      return `Envoy does not know the class ${text}: use a general category such as \\p{L}, or a script such as \\p{Greek}`
    const code = hexadecimal === undefined ? Number.parseInt(octal ?? '0', 8) : Number.parseInt(hexadecimal, 16)
    if (code > largestCode) return `Envoy does not take ${text}: write the character itself`
  }
  return undefined
}
