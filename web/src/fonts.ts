import firaCode from '@fontsource-variable/fira-code/files/fira-code-latin-wght-normal.woff2';
import inter from '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2';

const fonts = [
  new FontFace('Fira Code', `url(${firaCode})`, { weight: '300 700' }), // by this name GraphiQL asks for it
  new FontFace('Inter', `url(${inter})`, { weight: '100 900' }),
];

/** Loads the fonts. One that cannot be had is left out. */
export const loadFonts = () => Promise.allSettled(fonts.map(async font => document.fonts.add(await font.load())));
