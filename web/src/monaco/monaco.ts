// Monaco, the editor: its workers, from our own origin, and its colours.
import * as monaco from 'monaco-graphql/esm/monaco-editor.js';
import MonacoWorker from './worker?worker';

window.MonacoEnvironment = {
  getWorker: (_, label) => new MonacoWorker({ name: label }),
};

const palettes = {
  light: {
    base: 'vs',
    text: '33454d', faint: '84959b', field: '1f6feb', keyword: '8b3fa8', type: 'a8571a', string: '2c7a4b', value: 'b0473e', argument: '5d62c4',
    surface: '#ffffff', accent: '#0d8a94', tint: '#0d8a941f', border: '#dfe6e9',
  },
  dark: {
    base: 'vs-dark',
    text: 'c3d0d6', faint: '6f838c', field: '7cb7ff', keyword: 'd2a1ea', type: 'eeb27b', string: '8fd3a6', value: 'f2a099', argument: 'a9adff',
    surface: '#18232a', accent: '#3fc1c9', tint: '#3fc1c926', border: '#2c3a43',
  },
} as const;

/** What GraphiQL sets otherwise. */
export const editorOptions = {
  fontSize: 14,
  lineHeight: 20,
  wordWrap: 'on',
  wrappingIndent: 'same',
  scrollbar: { verticalScrollbarSize: 8, useShadows: false },
} as const;

/** The names of our themes, for GraphiQL. */
export const editorTheme = { light: 'driftgraph-light', dark: 'driftgraph-dark' };

for (const theme of ['light', 'dark'] as const) {
  const p = palettes[theme];
  monaco.editor.defineTheme(editorTheme[theme], {
    base: p.base,
    inherit: true,
    rules: [
      { token: '', foreground: p.text },
      { token: 'comment', foreground: p.faint, fontStyle: 'italic' },
      { token: 'keyword.gql', foreground: p.keyword },
      { token: 'key.identifier.gql', foreground: p.field },
      { token: 'argument.identifier.gql', foreground: p.argument },
      { token: 'type.identifier.gql', foreground: p.type },
      { token: 'annotation.gql', foreground: p.keyword },
      { token: 'operator.gql', foreground: p.faint },
      { token: 'delimiter', foreground: p.faint },
      { token: 'string', foreground: p.string },
      { token: 'number', foreground: p.value },
      { token: 'string.key.json', foreground: p.field },
      { token: 'string.value.json', foreground: p.string },
      { token: 'keyword.json', foreground: p.value },
    ],
    colors: {
      'editor.background': '#00000000',
      'editorLineNumber.foreground': `#${p.faint}99`,
      'editorWidget.background': p.surface,
      'editorWidget.border': p.border,
      'editorHoverWidget.background': p.surface,
      'editorHoverWidget.border': p.border,
      'editorSuggestWidget.background': p.surface,
      'editorSuggestWidget.border': p.border,
      'editorSuggestWidget.selectedBackground': p.tint,
      'editorSuggestWidget.selectedForeground': `#${p.text}`,
      'editorSuggestWidget.highlightForeground': p.accent,
      'editorSuggestWidget.focusHighlightForeground': p.accent,
      'editorBracketHighlight.foreground1': `#${p.faint}`,
      'editorBracketHighlight.foreground2': `#${p.faint}`,
      'editorBracketHighlight.foreground3': `#${p.faint}`,
      'editorIndentGuide.background1': `#${p.faint}26`,
      'editorIndentGuide.activeBackground1': `#${p.faint}59`,
      'list.hoverBackground': p.tint,
      'menu.background': p.surface,
      'quickInput.background': p.surface,
      'quickInputList.focusBackground': p.tint,
      'quickInputList.focusForeground': `#${p.text}`,
      'textLink.foreground': p.accent,
      'scrollbarSlider.background': `#${p.faint}40`,
      'scrollbarSlider.hoverBackground': `#${p.faint}66`,
      'scrollbarSlider.activeBackground': `#${p.faint}99`,
      focusBorder: p.accent,
    },
  });
}
