export function startSounds() {}
