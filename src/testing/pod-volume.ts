import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * A folder as kubelet mounts ConfigMaps and projected tokens: each file is a link through `..data`, and an
 * update is one rename of that link, so that nobody ever sees half of it.
 */
export class PodVolume {
  readonly directory: string
  #version = 0

  constructor(directory: string) {
    this.directory = directory
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    this.#version += 1
    const version = `..2026_${this.#version}`
    await mkdir(join(this.directory, version), { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.directory, version, name), text)
    await symlink(version, join(this.directory, '..data_tmp'))
    await rename(join(this.directory, '..data_tmp'), join(this.directory, '..data'))
    for (const name of Object.keys(files))
      await symlink(join('..data', name), join(this.directory, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
    if (this.#version > 1)
      await rm(join(this.directory, `..2026_${this.#version - 1}`), { recursive: true, force: true })
  }
}
