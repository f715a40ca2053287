import { version } from "../../package.json"
import { checkCommand } from "./commands/check.ts"
import { completionCommand, completionServer } from "./commands/completion.ts"
import { controllerCommand } from "./commands/controller.ts"
import { explainCommand } from "./commands/explain.ts"
import { helloCommand } from "./commands/hello.ts"
import { helpCommand, topicsHelp } from "./commands/help.ts"
import { runCommand } from "./commands/run.ts"
import { topCommand } from "./commands/top.ts"
import { Command, CommanderError } from "./shared/commander.ts"
import { addSettings } from "./shared/settings.ts"
import { printable } from "./shared/terminal.ts"
import { UsageError } from "./shared/usage-error.ts"

/** Runs the command line. Sets `process.exitCode`; throws only what is a defect of the program. */
export async function runProgram(args: readonly string[]): Promise<void> {
  const program = new Command("tlsroute")
    .description("A Kubernetes Gateway API TLS-passthrough gateway: routes TLS by SNI without decrypting it.")
    .version(version)
    .addHelpText("after", topicsHelp)
    .addCommand(runCommand())
    .addCommand(controllerCommand())
    .addCommand(checkCommand())
    .addCommand(explainCommand())
    .addCommand(topCommand())
    .addCommand(helloCommand())
  addSettings(program)
  program
    .helpCommand(false)
    .addCommand(completionCommand())
    .addCommand(completionServer(program), { hidden: true })
    .addCommand(helpCommand(program))
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ outputError: () => {} })
  }
  try {
    if (args.length === 0)
      throw new UsageError("say what to do: run, controller, check, explain, top or hello; --help tells more")
    await program.parseAsync(args, { from: "user" })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return
    if (!(error instanceof CommanderError) && !(error instanceof UsageError)) throw error
    const line = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ")
    process.stderr.write(`tlsroute: ${printable(line)}\n`)
    process.exitCode = 2
  }
}
