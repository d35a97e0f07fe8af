// Has Node load the files of relay/ as a bundler with babel-plugin-relay would: each graphql`…` becomes what the compiler made of it.
import { transformAsync } from '@babel/core';

export function resolve(specifier, context, next) {
  return next(specifier.endsWith('.graphql') ? `${specifier}.js` : specifier, context);
}

export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (!/\/relay\/\w+\.js$/.test(url)) return loaded;
  const { code } = await transformAsync(String(loaded.source), {
    plugins: [['relay', { eagerEsModules: true }]], configFile: false, babelrc: false, filename: new URL(url).pathname,
  });
  return { ...loaded, source: code };
}
