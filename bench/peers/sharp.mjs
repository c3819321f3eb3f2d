// sharp, so many pictures in flight: `node bench/peers/sharp.mjs < order > outcome`. See order.py for both.
import { readFileSync } from "node:fs";
import sharp from "sharp";

const order = JSON.parse(readFileSync(0, "utf8"));
if (order.threads > 0) sharp.concurrency(order.threads);

async function make(number) {
  const image = sharp(order.sources[number]).resize(order.side, order.side, { fit: "inside", withoutEnlargement: true });
  await image.toFormat(order.format, { quality: order.quality }).toFile(`${order.folder}/result-${number}`);
}

async function makeAll(count) {
  let next = 0;
  const work = async () => {
    while (next < count) await make(next++);
  };
  await Promise.all(Array.from({ length: order.at_once }, work));
}

await makeAll(order.at_once);
const cpu = process.cpuUsage();
const began = process.hrtime.bigint();
await makeAll(order.sources.length);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const { user, system } = process.cpuUsage(cpu);
const { sharp: own, vips, mozjpeg, webp } = sharp.versions;
const version = `sharp ${own} (libvips ${vips}, mozjpeg ${mozjpeg}, libwebp ${webp}, node ${process.versions.node})`;
process.stdout.write(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6, version }));
