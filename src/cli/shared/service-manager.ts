import { execFile } from "node:child_process"
import type { RunLog } from "../log/run-log.ts"

/**
 * Tells systemd how the command is, where it started the command with `Type=notify` (sd_notify(3)). Its socket takes
 * datagrams of the Unix domain, which Node.js has not: systemd's own program sends them.
 *
 * @param log - is told when that program cannot be run: systemd would wait in vain
 * @param assignments - such as `READY=1`
 */
export function tellServiceManager(log: RunLog, ...assignments: readonly string[]): void {
  if (!process.env["NOTIFY_SOCKET"]) return
  execFile("systemd-notify", assignments, (error) => {
    if (error !== null) log.error(new Error(`systemd asks to be told how this is, and cannot be: ${error.message}`))
  })
}
