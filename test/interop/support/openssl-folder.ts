import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'

/** Why OpenSSL can't be asked here; undefined when it can. */
export const noOpensslReason =
  spawnSync('openssl', ['version']).status === 0 ? undefined : 'the openssl command is not installed'

/** A test with OpenSSL in a folder of its own; where there is none it says so and passes. */
export function opensslTest(
  title: string,
  body: (t: ExecutionContext, openssl: OpensslFolder) => void | Promise<void>,
): void {
  test(title, async (t) => {
    if (noOpensslReason !== undefined) {
      t.log(`skipped: ${noOpensslReason}`)
      return t.pass()
    }
    await body(t, new OpensslFolder(t))
  })
}

/** The openssl command in a folder that is removed with its test. */
export class OpensslFolder {
  readonly path: string

  constructor(t: ExecutionContext) {
    this.path = mkdtempSync(join(tmpdir(), 'openssl-test-'))
    t.teardown(() => rmSync(this.path, { recursive: true, force: true }))
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(join(this.path, name), content, { mode: 0o600 })
    return name
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), 'utf8')
  }

  readBytes(name: string): Uint8Array {
    return Uint8Array.from(readFileSync(join(this.path, name)))
  }

  /** Runs it; fails when it does. Answers its stdout. */
  run(...args: readonly string[]): string {
    return execFileSync('openssl', args, { cwd: this.path, stdio: 'pipe' }).toString()
  }

  /** Runs it whatever the outcome: exit code 0, and all it said. */
  ask(...args: readonly string[]): { readonly ok: boolean; readonly said: string } {
    const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: this.path })
    return { ok: status === 0, said: `${stdout.toString()}${stderr.toString()}` }
  }
}
