import { findPackageJSON } from 'node:module'
import { dirname } from 'node:path'

/** The folder of package.json, with a slash at its end: the same for the sources and for what is built of them, in the image too. */
export const packageRoot = `${dirname(findPackageJSON(import.meta.url) ?? '.')}/`
