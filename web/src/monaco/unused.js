// Stand-ins for what the playground never uses.
export class DiffEditorWidget {} // Monaco's editors for differences
export class MultiDiffEditorWidget {}
export default () => () => true; // picomatch-browser, which picks one of several schemas
