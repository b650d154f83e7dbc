/**
 * A source whose every frame says which one it is, and the eye that reads it: in the upper left corner are two grey fields,
 * whose brightness is the second and the frame within it. So a test knows which frames a clip has, not only how many.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const exec = promisify(execFile)

export const FRAMES_PER_SECOND = 25
/** Milliseconds that a frame is shown. */
export const FRAME = 1000 / FRAMES_PER_SECOND
/** Seconds after which the numbers begin anew. */
const SECONDS = 32
/** The numbers go from 0 to this. */
export const CYCLE = SECONDS * FRAMES_PER_SECOND

const WIDTH = 96
const HEIGHT = 32
const DARKEST = 20
const PER_SECOND = 6
const PER_FRAME = 8

/** Arguments for ffmpeg: publishes picture and sound in real time, from frame 0 on, with a key frame every two seconds. */
export const publishing = (url: string): ReadonlyArray<string> => {
  const second = `${DARKEST}+${PER_SECOND}*mod(floor(N/${FRAMES_PER_SECOND}),${SECONDS})`
  const frame = `${DARKEST}+${PER_FRAME}*mod(N,${FRAMES_PER_SECOND})`
  const fields = `format=yuv420p,geq=lum='if(lt(X,${WIDTH / 2}),${second},${frame})':cb=128:cr=128`
  return [
    ...["-hide_banner", "-loglevel", "error", "-nostdin"],
    ...["-re", "-f", "lavfi", "-i", `testsrc2=size=640x360:rate=${FRAMES_PER_SECOND}`],
    ...["-f", "lavfi", "-i", `nullsrc=size=${WIDTH}x${HEIGHT}:rate=${FRAMES_PER_SECOND},${fields}`],
    ...["-f", "lavfi", "-i", "sine=frequency=440"],
    ...["-filter_complex", "[0:v][1:v]overlay=0:0,format=yuv420p[v]", "-map", "[v]", "-map", "2:a"],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", String(2 * FRAMES_PER_SECOND)],
    ...["-b:v", "2M", "-c:a", "aac", "-f", "rtsp", "-rtsp_transport", "tcp", url]
  ]
}

const brightness = (frame: Buffer, from: number): number => {
  let sum = 0
  let count = 0
  // Not at the edges, where the encoder blends.
  for (let y = 8; y < HEIGHT - 8; y++) {
    for (let x = from + 8; x < from + WIDTH / 2 - 8; x++) {
      sum += frame[y * WIDTH + x] ?? 0
      count++
    }
  }
  return sum / count
}

/** The numbers of the frames that a player shows of a file, in their order. */
export const framesOf = async (file: string): Promise<ReadonlyArray<number>> => {
  const { stderr, stdout } = await exec(
    "ffmpeg",
    [
      ...["-v", "error", "-i", file, "-an", "-vf", `crop=${WIDTH}:${HEIGHT}:0:0`, "-fps_mode", "passthrough"],
      ...["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    ],
    { encoding: "buffer", maxBuffer: 256 * 1024 * 1024 }
  )
  if (stderr.length > 0) throw new Error(`${file} can't be decoded: ${stderr.toString()}`)
  const size = (WIDTH * HEIGHT * 3) / 2
  return Array.from({ length: Math.floor(stdout.length / size) }, (_, i) => {
    const frame = stdout.subarray(i * size, (i + 1) * size)
    const second = Math.round((brightness(frame, 0) - DARKEST) / PER_SECOND)
    return second * FRAMES_PER_SECOND + Math.round((brightness(frame, WIDTH / 2) - DARKEST) / PER_FRAME)
  })
}

/** Where the numbers do not go on one by one: indexes of the frames after a jump. */
export const jumpsIn = (frames: ReadonlyArray<number>): ReadonlyArray<number> =>
  frames.flatMap((frame, i) => {
    const before = frames[i - 1]
    return before === undefined || frame === (before + 1) % CYCLE ? [] : [i]
  })

export interface Look {
  /** Milliseconds that the file says it plays. */
  readonly duration: number
  /** Milliseconds at which the picture begins. */
  readonly start: number
  /** Milliseconds of sound. */
  readonly audio: number
  /** The numbers of the frames that are shown. */
  readonly frames: ReadonlyArray<number>
}

/** What ffprobe and ffmpeg make of a file. Rejects when they complain about anything in it. */
export const look = async (file: string): Promise<Look> => {
  const { stdout } = await exec("ffprobe", [
    ...["-v", "error", "-of", "json", "-show_entries", "format=duration:stream=codec_type,duration,start_time", file]
  ])
  // ffprobe's own answer.
  const probe = JSON.parse(stdout) as {
    streams: ReadonlyArray<{ codec_type: string; start_time: string; duration: string }>
    format: { duration: string }
  }
  const video = probe.streams.find((stream) => stream.codec_type === "video")
  const audio = probe.streams.find((stream) => stream.codec_type === "audio")
  const whole = await exec("ffmpeg", ["-v", "error", "-i", file, "-f", "null", "-"])
  if (whole.stderr !== "") throw new Error(`${file} can't be played: ${whole.stderr}`)
  return {
    duration: Number(probe.format.duration) * 1000,
    start: Number(video?.start_time) * 1000,
    audio: Number(audio?.duration) * 1000,
    frames: await framesOf(file)
  }
}
