/**
 * The config that the prebuilt server creates on its first start: a fleet that works at once, and comments that say how
 * to go on.
 */

/** `base.yml`: what every node gets. */
export const exampleBase = `# What every node of the fleet gets.
#
# The names and values are those of MediaMTX's own mediamtx.yml (version 1.20). The manager adds what connects a node to
# it: authentication, hooks and the loop that keeps the file fresh. Anything not set here has MediaMTX's default.
#
# Save, and every node has the change within seconds. An edit that is not valid is refused with its line and column in
# the manager's log, and the last good config stays in force. To check a file before: mtx-manager validate FILE
#
# What single nodes get on top goes into nodes/ID.yml beside this file, what nodes with certain labels get into overlays.yml
# (docs/revisions.md). Who may publish and read is in manager.yml.

# Protocols that are on unless they are switched off. Changing one drops that protocol's connections, no others.
rtsp: true
rtmp: true
hls: true
webrtc: true
srt: true
# Media over QUIC makes a key and a certificate in its working folder, so it is off until it is wanted.
moq: false

# A node behind NAT has to know its public address for WebRTC:
# webrtcAdditionalHosts: [203.0.113.7]

# For all paths, unless a path says otherwise. Changing a field that is not about recording drops the streams it
# concerns.
# pathDefaults:
#   record: true
#   recordPath: /recordings/%path/%Y-%m-%d_%H-%M-%S-%f
#   recordSegmentDuration: 1h
#   recordDeleteAfter: 7d

paths:
  # A camera that the node fetches from, only while somebody watches:
  # cam-north:
  #   source: rtsp://user:password@10.0.0.7/stream
  #   sourceOnDemand: true

  # Any other name can be published to. Remove this to allow only the paths named above.
  all_others: {}
`

/** `manager.yml`: who may do what. Open, like MediaMTX itself, and says so. */
export const exampleManager = `# Who may do what on the nodes. Read anew whenever it changes; an edit that is not valid is refused with a message in
# the manager's log, and the last good rules stay in force. Without this file everybody is denied everything.

auth:
  rules:
    # OPEN: anyone who reaches a node may publish and watch. Good for a first look, not for the internet.
    # To close it, replace this rule by the ones below.
    - name: open to everyone
      allow: [publish, read, playback]

    # Whoever holds the admin key may ask for clips, and workers with a node's key may cut them.
    - name: clips
      allow: [playback.request, playback.worker]

  # users:
  #   - name: alice
  #     secret: change-me                # or sha256:BASE64, or argon2:$argon2id$v=19$...
  #   - name: wall-display
  #     token: a-long-random-text        # as bearer token, as the password, or as ?token=
  #
  # rules:
  #   - name: cameras publish from their own network
  #     allow: publish
  #     paths: cams/*
  #     ips: 10.0.0.0/8
  #   - name: alice does everything
  #     allow: any
  #     users: alice
  #   - name: whoever has logged in may watch
  #     allow: [read, playback]
  #     users: any
  #   - name: a deny wins over every allow
  #     deny: any
  #     ips: 192.0.2.66
  #
  # What no rule allows is denied; so are here the nodes' own api, metrics and pprof.

# Where clips go. Without this they go into the folder clips in the data folder, and the manager serves them. A change needs
# a restart. The secret may stand in MANAGER_S3_SECRET_ACCESS_KEY instead.
#
# storage:
#   kind: s3
#   endpoint: https://ACCOUNT_ID.r2.cloudflarestorage.com
#   bucket: clips
#   accessKeyId: ACCESS_KEY
#   secretAccessKey: SECRET_KEY

# Where nodes reach each other and viewers reach them, and which nodes stand in for which. GET /streams/PATH sends viewers.
#
# addresses:
#   cam-1: { address: 10.0.0.5, public: cam-1.example.com }
# groups:
#   - name: harbour
#     primary: cam-1
#     fallbacks: [cam-2]
`
