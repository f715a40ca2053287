import { readFile } from "node:fs/promises"
import { type Command, InvalidArgumentError, type Option } from "commander"
import { suggest } from "../../primitives/suggest.ts"
import { SourceError } from "../../sources/source-error.ts"
import { loadYaml } from "../../sources/yaml-module.ts"
import { UsageError } from "./usage-error.ts"

/** What an environment variable says that turns a flag off. */
const OFF: ReadonlySet<string> = new Set(["", "0", "false", "no", "off"])

/**
 * Lets every flag of a command come from a variable of the environment (`TLSROUTE_MAP_PORT` for `--map-port`) and from a
 * file given by `--config` too. A flag on the command line counts most, then the environment, then the file.
 */
export function addSettings(command: Command): Command {
  command.option("--config <file>", "YAML file with flags by their names, such as map-port: [443:8443]")
  return command
    .addHelpText("after", "\nEvery flag can be a variable too: TLSROUTE_MAP_PORT=443:8443 for --map-port 443:8443.")
    .hook("preAction", async (_, called) => {
      readEnvironment(called)
      const file: unknown = called.getOptionValue("config")
      if (typeof file === "string") await readSettings(called, file)
    })
}

function readEnvironment(command: Command): void {
  for (const option of command.options) {
    const name = `TLSROUTE_${flagName(option).toUpperCase().replaceAll("-", "_")}`
    const value = process.env[name]
    if (value === undefined || (value === "" && !isSwitch(option))) continue
    put(command, option, isSwitch(option) ? !OFF.has(value.toLowerCase()) : value, "env", name)
  }
}

/** Takes a value that says nothing against one that counts more. */
function put(command: Command, option: Option, value: unknown, source: "env" | "config", where: string): void {
  const before = command.getOptionValueSource(option.attributeName())
  if (before === "cli" || (before === "env" && source === "config")) return
  try {
    const read = readValue(option, value)
    if (read !== undefined) command.setOptionValueWithSource(option.attributeName(), read, source)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw new UsageError(`${where}: ${error.message}`)
  }
}

async function readSettings(command: Command, file: string): Promise<void> {
  for (const [name, value] of Object.entries(await readMapping(file))) {
    const option = command.options.find((each) => flagName(each) === (value === false ? `no-${name}` : name))
    const known = option ?? command.options.find((each) => flagName(each) === name)
    if (known === undefined || name === "config") {
      const meant = suggest(name, command.options.map(flagName))
      throw new UsageError(`${file}: there is no flag ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`)
    }
    put(command, known, value === false && option !== undefined ? true : value, "config", `${file}: ${name}`)
  }
}

async function readMapping(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const yaml = await loadYaml()
    const settings: unknown = yaml.parse(await readFile(file, "utf8")) ?? {}
    if (typeof settings === "object" && !Array.isArray(settings)) return settings as Record<string, unknown>
    throw new UsageError(`${file}: expected flags by their names, such as map-port: [443:8443]`)
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof SourceError) throw new UsageError(error.message)
    throw new UsageError(`${file}: cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The value that a flag has by what the file says; `undefined` when that is as if it were left out. */
function readValue(option: Option, value: unknown): unknown {
  if (isSwitch(option)) {
    if (typeof value !== "boolean") throw new InvalidArgumentError("Expected true or false.")
    return value ? !option.negate : undefined
  }
  let read: unknown
  for (const each of Array.isArray(value) ? value : [value]) {
    if (!["string", "number"].includes(typeof each))
      throw new InvalidArgumentError("Expected text, or a list of texts.")
    read = option.parseArg === undefined ? String(each) : option.parseArg(String(each), read)
  }
  return read
}

/** Whether it takes no value. */
function isSwitch(option: Option): boolean {
  return option.isBoolean() || option.negate
}

function flagName(option: Option): string {
  return (option.long ?? "").replace(/^--/, "")
}
