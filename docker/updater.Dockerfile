# mtx-updater: docker build -f docker/updater.Dockerfile -t mtx-updater .
FROM node:22-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts
COPY scripts scripts
COPY src src
COPY src-sidecar src-sidecar
RUN node scripts/bundle-sidecars.mjs --out /out updater && mv /out/mtx-updater.js /out/mtx-updater.mjs

FROM node:22-alpine
COPY --from=build /out/mtx-updater.mjs /app/mtx-updater.mjs
# A new volume takes over owner and mode from here.
RUN mkdir /config && chown node:node /config
USER node
VOLUME /config
HEALTHCHECK --interval=5s --timeout=5s --retries=60 CMD ["node", "/app/mtx-updater.mjs", "health"]
# Both keep its memory at some 60 MB also while the relay is busy; without them it would be 90.
ENTRYPOINT ["node", "--max-semi-space-size=1", "--optimize-for-size", "/app/mtx-updater.mjs"]
