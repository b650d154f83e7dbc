# mtx-playback: docker build -f docker/playback.Dockerfile -t mtx-playback .
FROM node:22-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts
COPY scripts scripts
COPY src src
COPY src-sidecar src-sidecar
RUN node scripts/bundle-sidecars.mjs --out /out playback && mv /out/mtx-playback.js /out/mtx-playback.mjs

FROM node:22-alpine
COPY --from=build /out/mtx-playback.mjs /app/mtx-playback.mjs
# A new volume takes over owner and mode from here.
RUN mkdir /spool && chown node:node /spool
USER node
VOLUME /spool
ENV SPOOL=/spool
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "/app/mtx-playback.mjs", "health"]
# Keep its memory small while it moves much.
ENTRYPOINT ["node", "--max-semi-space-size=1", "--v8-pool-size=1", "/app/mtx-playback.mjs"]
