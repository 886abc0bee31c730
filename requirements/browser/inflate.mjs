// Unpack Chromium and the libraries that a slim system lacks, which their package has compressed.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

const packed = "node_modules/@sparticuz/chromium/bin";
for (const name of ["chromium", "al2023.tar"]) {
  writeFileSync(name, brotliDecompressSync(readFileSync(`${packed}/${name}.br`)));
}
chmodSync("chromium", 0o755);
