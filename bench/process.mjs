import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import net from "node:net"
import { setTimeout as delay } from "node:timers/promises"

/** The hard limit on open files, to which every process here is raised. */
const fileLimit = /Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "1024"

/** CPUs this process may run on. */
export function allowedCpus() {
  const list = /Cpus_allowed_list:\s+(.+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** A child process pinned to one CPU or several, and its descendants. */
export class PinnedProcess {
  #child
  #stderr = ""
  #exited = false

  /**
   * @param {readonly string[]} command
   * @param {number | string} cpu one, or a comma-separated list
   */
  constructor(command, cpu) {
    this.command = command
    // Both programs replace themselves by the next, so that the child's pid is the command's own.
    this.#child = spawn(
      "prlimit",
      [`--nofile=${fileLimit}:${fileLimit}`, "taskset", "--cpu-list", String(cpu), ...command],
      { stdio: ["pipe", "pipe", "pipe"] },
    )
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
    this.#child.stdout.setEncoding("utf8")
    this.exit = once(this.#child, "close").then(([code, signal]) => {
      this.#exited = true
      return { code, signal }
    })
    this.exit.catch(() => {}) // told by whoever waits for it
    this.#child.stdin.on("error", () => {}) // the child may be gone
  }

  get stdin() {
    return this.#child.stdin
  }

  get stdout() {
    return this.#child.stdout
  }

  get exited() {
    return this.#exited
  }

  /** The command and its last words, for an error message. */
  get account() {
    return `${this.command.join(" ")}\n${this.#stderr.trim()}`
  }

  /** The process and all its descendants, as they are now. */
  pids() {
    const children = new Map()
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry)) continue
      const stat = readProc(`/proc/${entry}/stat`)
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
    }
    const found = [this.#child.pid]
    for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]) ?? []))
    return found
  }

  /** Resident bytes of the process and its descendants. */
  residentBytes() {
    let total = 0
    for (const pid of this.pids()) {
      const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`))?.[1] ?? "0"
      total += Number(kibibytes) * 1024
    }
    return total
  }

  /**
   * Waits until the port takes connections.
   *
   * @param {number} port
   */
  async listening(port) {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (this.#exited) throw new Error(`ended at the start: ${this.account}`)
      if (await connects(port)) {
        // A program that logs there would wait for a reader once the pipe is full.
        this.#child.stdout.resume()
        return
      }
      await delay(50)
    }
    throw new Error(`does not listen on ${port} after 10 s: ${this.account}`)
  }

  /** Ends the process and its descendants. */
  async stop() {
    if (this.#exited) return
    const pids = this.pids()
    this.#child.kill("SIGTERM")
    const ended = await Promise.race([this.exit.then(() => true), delay(3000, false, { ref: false })])
    if (ended) return
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {} // gone by now
    }
    await this.exit
  }
}

/**
 * Runs a command to its end and returns what it printed; throws when it fails.
 *
 * @param {readonly string[]} command
 * @param {number | string} cpu one, or a comma-separated list
 */
export async function runPinned(command, cpu) {
  const child = new PinnedProcess(command, cpu)
  let output = ""
  child.stdout.on("data", (text) => {
    output += text
  })
  child.stdin.end()
  const { code, signal } = await child.exit
  if (code !== 0) throw new Error(`failed (${signal ?? code}): ${child.account}`)
  return output
}

/**
 * What a program says first: its port, or what else it has to tell.
 *
 * @param {PinnedProcess} child
 */
export async function firstLine(child) {
  let text = ""
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.includes("\n")) {
      child.stdout.resume()
      return text.slice(0, text.indexOf("\n"))
    }
  }
  throw new Error(`said nothing: ${child.account}`)
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address()
  server.close()
  await once(server, "close")
  return port
}

/** @param {number} port */
async function connects(port) {
  const socket = net.connect(port, "127.0.0.1")
  try {
    await once(socket, "connect")
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** @param {string} path */
function readProc(path) {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // the process has ended
  }
}
