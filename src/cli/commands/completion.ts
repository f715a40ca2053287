import { adviceOnPackage } from "../../primitives/optional-package.ts"
import { TOPICS } from "../help/topics.ts"
import { Argument, Command, type Option } from "../shared/commander.ts"
import { UsageError } from "../shared/usage-error.ts"

const SHELLS = ["bash", "zsh", "fish"] as const

type Shell = (typeof SHELLS)[number]

/** What a shell offers, or `files` where it knows better. */
type Candidates = readonly { readonly name: string; readonly description?: string }[] | "files"

/** `tlsroute completion`: the script by which a shell completes the command's words. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("print what lets a shell complete the words of this command")
    .addArgument(new Argument("<shell>", "for bash: source <(tlsroute completion bash)").choices(SHELLS))
    .action(async (shell: Shell) => {
      const { getCompletionScript } = await loadTabtab()
      process.stdout.write(await getCompletionScript({ name: "tlsroute", completer: "tlsroute", shell }))
    })
}

/** What that script asks at each word. The shell tells in the environment what is typed. */
export function completionServer(program: Command): Command {
  return new Command("completion-server")
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .action(async () => {
      const { getShellFromEnv, log, logFiles, parseEnv } = await loadTabtab()
      const { partial, lastPartial } = parseEnv(process.env)
      const words = partial.split(" ").filter((word) => word !== "")
      const candidates = complete(program, lastPartial === "" ? words.slice(1) : words.slice(1, -1), lastPartial)
      if (candidates === "files") logFiles()
      else log([...candidates], getShellFromEnv(process.env))
    })
}

/**
 * What can stand where the cursor is.
 *
 * @param program - all there is
 * @param before - the words before it, without the program's name
 * @param current - what is there of the word so far
 */
function complete(program: Command, before: readonly string[], current: string): Candidates {
  const shown = program.createHelp().visibleCommands(program)
  const name = before.find((word) => !word.startsWith("-"))
  const command = shown.find((each) => each.name() === name)
  if (command === undefined) {
    if (current.startsWith("-")) return [{ name: "--help" }, { name: "--version" }]
    return name === undefined ? shown.map((each) => ({ name: each.name(), description: each.description() })) : []
  }
  const last = before.at(-1) ?? ""
  const asked = command.options.find((option) => option.long === last || option.short === last)
  if (asked?.required) return valuesOf(asked)
  if (current.startsWith("-"))
    return command.options.map(described).concat({ name: "--help", description: "tell more" })
  if (name === "help") return [...shown.map((each) => ({ name: each.name() })), ...topics()]
  const [argument] = command.registeredArguments
  if (argument?.argChoices !== undefined) return argument.argChoices.map((choice) => ({ name: choice }))
  return argument === undefined ? [] : "files"
}

function valuesOf({ flags, argChoices }: Option): Candidates {
  if (argChoices !== undefined) return argChoices.map((name) => ({ name }))
  return flags.includes("<file>") ? "files" : []
}

function described({ long, flags, description }: Option): { readonly name: string; readonly description: string } {
  return { name: long ?? flags, description }
}

const topics = () => Object.entries(TOPICS).map(([name, { summary }]) => ({ name, description: summary }))

async function loadTabtab(): Promise<typeof import("@pnpm/tabtab")> {
  try {
    return (await import("@pnpm/tabtab")).default
  } catch (error) {
    throw new UsageError(adviceOnPackage("completion needs", "@pnpm/tabtab", error))
  }
}
