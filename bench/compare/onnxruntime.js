// usage: node onnxruntime.js GRAPH THREADS BATCH SIDE SECONDS INPUT OUTPUT
//
// One contestant, one round: runs GRAPH on INPUT, raw f32 (BATCH, 3, SIDE, SIDE), writes the raw f32 logits to OUTPUT and
// prints {"median_ms": ...} of the passes that fit into SECONDS.
const fs = require('fs');
const ort = require('onnxruntime-node');

async function main([graph, threads, batch, side, seconds, input, output]) {
  const session = await ort.InferenceSession.create(graph, {
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    freeDimensionOverrides: {B: Number(batch)},
  });
  const bytes = fs.readFileSync(input);
  const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const feeds = {pixels: new ort.Tensor('float32', pixels, [Number(batch), 3, Number(side), Number(side)])};
  const {logits} = await session.run(feeds);
  fs.writeFileSync(output, Buffer.from(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
  const times = [];
  for (const end = performance.now() + 1000 * Number(seconds); performance.now() < end || times.length < 3;) {
    const begin = performance.now();
    await session.run(feeds);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({median_ms: times[times.length >> 1]}));
}

main(process.argv.slice(2));
