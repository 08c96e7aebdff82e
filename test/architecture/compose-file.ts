/*
 * Reads docker/compose.yml as it is written: two blanks a level, lists of words in brackets. No YAML parser is needed for
 * that, and a file that is written in another way finds no services and fails.
 */

/** What stands below a key of the first level. */
export function section(compose: string, key: string): string {
  return new RegExp(`^${key}:\\n((?: .*\\n|\\n)*)`, 'm').exec(compose)?.[1] ?? ''
}

/** The services, as text, by name. */
export function servicesOf(compose: string): ReadonlyMap<string, string> {
  const parts = section(compose, 'services').split(/^ {2}([\w-]+):\n/m)
  return new Map(parts.flatMap((name, index) => (index % 2 === 1 ? [[name, parts[index + 1] ?? '']] : [])))
}

/** The lists that stand behind a key of a service. */
export function flowLists(service: string, key: string): readonly (readonly string[])[] {
  return [...service.matchAll(new RegExp(`^ {4}${key}: \\[(.*)\\]$`, 'gm'))].map(([, list = '']) =>
    list.split(', ').map((word) => word.replace(/^'(.*)'$/, '$1')),
  )
}

/** How a service calls p2p-reach, as words without the program's name: its command, or calls in a shell's script. */
export function reachCalls(service: string): readonly (readonly string[])[] {
  const inScripts = [...service.matchAll(/p2p-reach ([a-z][^<>\n]*?)(?: [<>]|\n)/g)].map(([, call = '']) =>
    call.split(' '),
  )
  return service.includes('entrypoint:') || service.includes('*router') || service.includes('*host')
    ? inScripts
    : flowLists(service, 'command')
}

/** The addresses of a network. */
export function networkOf(compose: string, name: string): string | undefined {
  const below = section(compose, 'networks').split(new RegExp(`^ {2}${name}:\\n`, 'm'))[1] ?? ''
  return /subnet: (\S+)/.exec(below)?.[1]
}
