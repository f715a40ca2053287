import type * as Commander from "commander"
import { adviceOnPackage } from "../../primitives/optional-package.ts"
import { UsageError } from "./usage-error.ts"

// commander is optional to those who use the library alone. Imported by statements it would be asked for before anything
// else runs where the command is bundled in one file, and its absence told in the words of Node.js.

export let Argument: typeof Commander.Argument
export let Command: typeof Commander.Command
export type Command = Commander.Command
export let CommanderError: typeof Commander.CommanderError
export let InvalidArgumentError: typeof Commander.InvalidArgumentError
export let Option: typeof Commander.Option
export type Option = Commander.Option

/**
 * Loads the package `commander`: what this module exports is there from then on.
 *
 * @throws {@link UsageError} when it is not installed, or cannot be loaded as it is bundled
 */
export async function loadCommander(): Promise<void> {
  try {
    ;({ Argument, Command, CommanderError, InvalidArgumentError, Option } = await import("commander"))
  } catch (cause) {
    throw new UsageError(adviceOnPackage("the command needs", "commander", cause))
  }
}
