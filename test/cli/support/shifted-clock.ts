/**
 * Loaded before the program (`node --import`): its calendar is moved by SHIFT_CLOCK_MS, as if it ran then. Timers go on as
 * they are.
 */
const shiftMs = Number(process.env.SHIFT_CLOCK_MS ?? '0')
const now = Date.now.bind(Date)

Date.now = () => now() + shiftMs
