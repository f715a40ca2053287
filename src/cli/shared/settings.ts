import { suggest } from "../../primitives/suggest.ts"
import { readText } from "../../sources/scan.ts"
import { SourceError } from "../../sources/source-error.ts"
import { loadYaml } from "../../sources/yaml-module.ts"
import { type Command, InvalidArgumentError, type Option } from "./commander.ts"
import { UsageError } from "./usage-error.ts"

/** What is said to turn a flag off, or on. */
const OFF: ReadonlySet<string> = new Set(["", "0", "false", "no", "off"])
const ON: ReadonlySet<string> = new Set(["1", "true", "yes", "on"])

/** Larger is no file of flags. */
const MAX_BYTES = 1024 * 1024

const PREFIX = "TLSROUTE_"

/** The flag that names the file, in which it has no place. */
const CONFIG = "config"

/**
 * Lets every flag of every command come from a variable of the environment (`TLSROUTE_MAP_PORT` for `--map-port`) and
 * from a file given by `--config` too. A flag on the command line counts most, then the environment, then what the file
 * says for the command, then what it says for all.
 *
 * @param program - has all its commands
 */
export function addSettings(program: Command): void {
  for (const command of program.commands) {
    command
      .option("--config <file>", "YAML file with flags by their names: see tlsroute help environment")
      .hook("preAction", async (_, called) => {
        readEnvironment(called, program)
        const file: unknown = called.getOptionValue(CONFIG)
        if (typeof file === "string") await readSettings(called, program, file)
      })
  }
}

function readEnvironment(command: Command, program: Command): void {
  for (const [variable, text] of Object.entries(process.env)) {
    if (!variable.startsWith(PREFIX) || text === undefined || isServiceLink(variable, text)) continue
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll("_", "-")
    const flag = findFlag(command, name)
    if (flag !== undefined) {
      if (text !== "") put(command, flag, text, "env", variable)
    } else if (!isFlagOf(program, name)) {
      // What is like no flag at all may be for somebody else.
      const meant = meantFlag(name, program)
      if (meant !== undefined)
        throw new UsageError(`${variable} stands for no flag; did you mean ${variableOf(meant)}?`)
    }
  }
}

/** The flag that a variable without one stands for: nearly its name, or behind that of a command, as the file has it. */
function meantFlag(name: string, program: Command): string | undefined {
  const section = program.commands.find((each) => name.startsWith(`${each.name()}-`))
  const own = section && name.slice(section.name().length + 1)
  if (section !== undefined && own !== undefined && findFlag(section, own) !== undefined) return own
  return suggest(name, flagNames(program)) ?? suggest(name.replace(/ies$/, "y"), flagNames(program))
}

/** Whether Kubernetes, or Docker, has set it for a Service that is called tlsroute, or tlsroute-admin. */
function isServiceLink(variable: string, text: string): boolean {
  return /_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)/.test(variable) || /^(tcp|udp|sctp):\/\//.test(text)
}

function variableOf(flag: string): string {
  return `${PREFIX}${flag.toUpperCase().replaceAll("-", "_")}`
}

async function readSettings(command: Command, program: Command, file: string): Promise<void> {
  const forAll: [string, unknown][] = []
  const forThis: [string, unknown][] = []
  for (const [name, value] of Object.entries(await readMapping(file))) {
    const section = program.commands.find((each) => each.name() === name)
    if (section === undefined) {
      if (name === CONFIG) throw new UsageError(`${file}: config names this file, and has no place in it`)
      if (!isFlagOf(program, name)) throw unknownFlag(file, name, [...flagNames(program), ...commandNames(program)])
      forAll.push([name, value])
      continue
    }
    // All that stood there may have been made comments.
    if (value === null) continue
    if (!isMapping(value)) throw new UsageError(`${file}: ${name}: expected flags of ${name} by their names`)
    for (const each of Object.keys(value)) {
      if (findFlag(section, each) === undefined) throw unknownFlag(`${file}: ${name}`, each, flagNamesOf(section))
    }
    if (section === command) forThis.push(...Object.entries(value))
  }
  // Those that count more come first.
  for (const [name, value] of [...forThis, ...forAll]) {
    const flag = findFlag(command, name)
    if (flag !== undefined) put(command, flag, value, "config", `${file}: ${name}`)
  }
}

function unknownFlag(where: string, name: string, known: Iterable<string>): UsageError {
  const meant = suggest(name, known)
  return new UsageError(`${where}: there is no flag ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`)
}

async function readMapping(file: string): Promise<Readonly<Record<string, unknown>>> {
  const read = await readText(file, MAX_BYTES)
  if ("failure" in read) throw new UsageError(`${file}: ${read.failure}`)
  const settings = await parseYaml(file, read.text)
  if (isMapping(settings)) return settings
  throw new UsageError(`${file}: expected flags by their names, such as map-port: [443:8443]`)
}

async function parseYaml(file: string, text: string): Promise<unknown> {
  try {
    const yaml = await loadYaml()
    const document = yaml.parseDocument(text, { prettyErrors: true })
    const [error] = document.errors
    // Behind its first line is the text around, which one line cannot show.
    if (error?.code === "MULTIPLE_DOCS") throw new UsageError(`${file}: expected one document, not several`)
    if (error !== undefined) throw new UsageError(`${file}: ${error.message.replace(/:?\s*\n[\s\S]*$/, "")}`)
    return document.toJS() ?? {}
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof SourceError) throw new UsageError(error.message)
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A flag by its name without dashes. */
interface Flag {
  /** Takes the value; of a flag that is only ever turned off, `undefined`. */
  readonly option: Option | undefined
  /** Turns it off: `--no-lease`. */
  readonly negation: Option | undefined
  /** Whether it takes no value. */
  readonly isSwitch: boolean
}

function findFlag(command: Command, name: string): Flag | undefined {
  const option = command.options.find((each) => flagName(each) === name)
  const negation = command.options.find((each) => each.negate && flagName(each) === `no-${name}`)
  if (option === undefined && negation === undefined) return undefined
  return { option, negation, isSwitch: option === undefined || option.isBoolean() || option.negate }
}

/** Takes a value that says nothing against one that counts more. */
function put(command: Command, flag: Flag, value: unknown, source: "env" | "config", where: string): void {
  const isOff = flag.negation !== undefined && readSwitch(value) === false
  const option = isOff ? flag.negation : (flag.option ?? flag.negation)
  if (option === undefined) return
  const name = option.attributeName()
  const before = command.getOptionValueSource(name)
  if (before === "cli" || before === "env" || before === source) return
  try {
    const read = isOff ? false : flag.isSwitch ? valueOfSwitch(option, value) : readValue(option, value)
    // A switch that is said to be off is as if it were left out, but nobody who counts less turns it on.
    command.setOptionValueWithSource(name, read ?? command.getOptionValue(name), source)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw new UsageError(`${where}: ${error.message}`)
  }
}

function valueOfSwitch({ negate }: Option, value: unknown): boolean | undefined {
  const isOn = readSwitch(value)
  if (isOn === undefined) throw new InvalidArgumentError("Expected true or false.")
  return isOn ? !negate : undefined
}

/** Whether it says on, or off; `undefined` when neither. */
function readSwitch(value: unknown): boolean | undefined {
  const word = typeof value === "boolean" || typeof value === "string" ? String(value).toLowerCase() : undefined
  if (word === undefined || !(OFF.has(word) || ON.has(word))) return undefined
  return ON.has(word)
}

/** The value that a flag has by what the file says. */
function readValue(option: Option, value: unknown): unknown {
  let read: unknown
  for (const text of textsOf(option, value)) {
    read = option.parseArg === undefined ? text : option.parseArg(text, read)
  }
  return read
}

/** What would be on the command line: `{ 443: 8443 }` for `<gateway:local>` is `443:8443`. */
function textsOf({ flags }: Option, value: unknown): readonly string[] {
  const joint = /<[^>]*?([=:])/.exec(flags)?.[1]
  if (joint === undefined || !isMapping(value)) return plainTexts(value)
  return Object.entries(value).flatMap(([name, each]) => {
    const texts = plainTexts(each)
    return (joint === "=" ? [texts.join(", ")] : texts).map((text) => `${name}${joint}${text}`)
  })
}

function plainTexts(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).map((each) => {
    if (typeof each === "string" || typeof each === "number") return String(each)
    if (each === null) throw new InvalidArgumentError("It has no value: give it one, or leave it out.")
    throw new InvalidArgumentError("Expected text, or a list of texts.")
  })
}

function isFlagOf(program: Command, name: string): boolean {
  return program.commands.some((command) => findFlag(command, name) !== undefined)
}

const commandNames = (program: Command): readonly string[] => program.commands.map((command) => command.name())

const flagNamesOf = ({ options }: Command): readonly string[] => options.map(flagName)

const flagNames = (program: Command): ReadonlySet<string> => new Set(program.commands.flatMap(flagNamesOf))

function flagName(option: Option): string {
  return (option.long ?? "").replace(/^--/, "")
}
