import { suggest } from "../../primitives/suggest.ts"
import { TOPICS } from "../help/topics.ts"
import { Command } from "../shared/commander.ts"
import { UsageError } from "../shared/usage-error.ts"

/** `tlsroute help`: what `--help` tells of the program or of a command, or something else to read. */
export function helpCommand(program: Command): Command {
  return new Command("help")
    .description("tell of a command, or of a topic")
    .argument("[topic]", `a command, or ${Object.keys(TOPICS).join(", ")}`)
    .action((name?: string) => {
      const command = name === undefined ? program : program.commands.find((each) => each.name() === name)
      if (command !== undefined) return command.outputHelp()
      const topic = Object.hasOwn(TOPICS, name ?? "") ? TOPICS[name ?? ""] : undefined
      if (topic === undefined) throw new UsageError(`there is no help on ${name}${hint(String(name), program)}`)
      process.stdout.write(`${topic.text()}\n`)
    })
}

/** Names the topics at the end of the program's `--help`. */
export function topicsHelp(): string {
  const width = Math.max(...Object.keys(TOPICS).map((name) => name.length))
  const lines = Object.entries(TOPICS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return ["", "Topics, for tlsroute help TOPIC:", ...lines].join("\n")
}

function hint(name: string, program: Command): string {
  const commands = program.createHelp().visibleCommands(program)
  const names = [...Object.keys(TOPICS), ...commands.map((command) => command.name())]
  const meant = suggest(name, names)
  return meant === undefined ? `; there is on ${names.join(", ")}` : `; did you mean ${meant}?`
}
