// Avatars with what they are made of, one JSON line each: node avatars.mjs STYLE NUMBER OPTIONS
import { createAvatar } from "@dicebear/core";

const [style, number, options] = process.argv.slice(2);
const drawn = await import(`@dicebear/${style}`);
for (let seed = 0; seed < Number(number); seed++) {
  const { svg, extra } = createAvatar(drawn, { seed: `${style}-${seed}`, ...JSON.parse(options) }).toJson();
  console.log(JSON.stringify({ id: `${style}-${seed}`, svg, parts: extra, meta: drawn.meta }));
}
