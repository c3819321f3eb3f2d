// sharp, one picture again and again: `node bench/peers/flat.mjs < order > outcome`. See bench/parts/flat.py for both.
import { readFileSync } from "node:fs";
import sharp from "sharp";

const order = JSON.parse(readFileSync(0, "utf8"));
sharp.concurrency(1);
sharp.cache(false);

async function make() {
  const image = sharp(order.source, { animated: true });
  const smaller = order.side > 0 ? image.resize({ width: order.side }) : image;
  await smaller.toFormat(order.format).toFile(order.target);
}

await make();
const cpu = process.cpuUsage();
for (let number = 0; number < order.count; number++) await make();
const { user, system } = process.cpuUsage(cpu);
const { sharp: own, vips } = sharp.versions;
process.stdout.write(JSON.stringify({ cpu_seconds: (user + system) / 1e6 / order.count, version: `sharp ${own} (libvips ${vips})` }));
