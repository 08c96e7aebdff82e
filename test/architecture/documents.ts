/** The error codes that have a heading of their own (`## ERR_REACH_…`), in the order of the page. */
export function headedCodes(page: string): readonly string[] {
  return [...page.matchAll(/^#{2,3} `?(ERR_REACH_[A-Z_]+)`?\s*$/gm)].map((match) => match[1] ?? '')
}

/** Error codes whose paragraph lacks one of the three answers that a reader comes for. */
export function thinParagraphs(page: string): readonly string[] {
  const sections = page.split(/^(?=#{2,3} )/m)
  return sections.flatMap((section) => {
    const [code] = headedCodes(section)
    if (code === undefined) return []
    const lacking = ['**Meaning.**', '**Usual cause.**', '**What to do.**'].filter(
      (part) => !section.includes(part),
    )
    return lacking.map((part) => `${code} lacks ${part}`)
  })
}

/** The command lines of a page: lines of its shell blocks without comments and prompts, `&&` taken apart. */
export function shellCommands(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```/gm)].map(
    (match) => match[1] ?? '',
  )
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) =>
      line
        .replace(/^\$ /, '')
        .replace(/(^|\s)#.*$/, '')
        .trim(),
    )
    .flatMap((line) => line.split(/\s*&&\s*/))
    .filter((line) => line !== '')
}

/** The package scripts that command lines call: `npm test`, `npm run demo`, `npm start`. */
export function scriptsCalled(commands: readonly string[]): readonly string[] {
  const names = commands.flatMap((command) => {
    const match = /^npm (?:run ([\w:-]+)|(test|start))\b/.exec(command)
    return match === null ? [] : [match[1] ?? match[2] ?? '']
  })
  return [...new Set(names)]
}

/** The commands of p2p-reach that command lines call, as their first words: `diagnose`, `relay up`, `demo`. */
export function reachCommandsCalled(commands: readonly string[]): readonly string[] {
  const names = commands.flatMap((command) => {
    const words = /^(?: [a-z][\w-]*)+/.exec(reachArguments(command) ?? '')?.[0]
    return words === undefined ? [] : [words.trim()]
  })
  return [...new Set(names)]
}

/** The flags that command lines give to p2p-reach. */
export function reachFlagsCalled(commands: readonly string[]): readonly string[] {
  const flags = commands.flatMap(
    (command) => (reachArguments(command) ?? '').match(/(?<= )--[a-z][a-z-]*/g) ?? [],
  )
  return [...new Set(flags)]
}

/** What stands behind the program's name; undefined for other programs. */
function reachArguments(command: string): string | undefined {
  return /^(?:sudo )?(?:npx p2p-reach|p2p-reach|node dist\/cli\/main\.js)(?= |$)(.*)$/.exec(command)?.[1]
}

/** The files that a page links to, without anchors; links to other sites are left out. */
export function localLinks(page: string): readonly string[] {
  const targets = [...page.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => (match[1] ?? '').replace(/#.*$/, ''))
  return [...new Set(targets.filter((target) => target !== '' && !/^[a-z]+:/.test(target)))]
}
