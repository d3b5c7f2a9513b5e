// Cleans sound hop by hop with a file of `audioae export --waves`. `ort` is onnxruntime-web or onnxruntime-node.
export async function open(ort, model) {
  const session = await ort.InferenceSession.create(model);
  const [samples, ...states] = session.inputMetadata;
  const zeros = (shape) => {
    const sizes = shape.map((size) => (typeof size === "number" ? size : 1));
    return new ort.Tensor("float32", new Float32Array(sizes.reduce((a, b) => a * b)), sizes);
  };
  const state = Object.fromEntries(states.map(({ name, shape }) => [name, zeros(shape)]));
  const hop = samples.shape[2];
  const clean = async (chunk) => {
    const made = await session.run({ samples: new ort.Tensor("float32", chunk, [1, 1, hop]), ...state });
    for (const name of Object.keys(state)) state[name] = made[`next.${name}`];
    return made.clean.data;
  };
  return { hop, clean };
}
