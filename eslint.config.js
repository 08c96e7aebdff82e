import tseslint from 'typescript-eslint'

/** Globals that would let time, randomness or the process into layers that must not know them (docs/architecture.md). */
const pure = ['setTimeout', 'setInterval', 'setImmediate', 'performance', 'process', 'fetch'].map((name) => ({
  name,
  message: 'take it from Runtime; see docs/architecture.md',
}))

const noClock = [
  { object: 'Date', property: 'now', message: 'time is an input (nowMs) or comes from runtime.clock' },
  {
    object: 'AbortSignal',
    property: 'timeout',
    message: 'it runs on the real clock; see lib/base/deadline.ts',
  },
  { object: 'Math', property: 'random', message: 'randomness comes from runtime.random' },
]

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'coverage/', 'node_modules/', '*.js'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: ['./tsconfig.test.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/net/**'],
    rules: {
      'no-restricted-globals': ['error', ...pure],
      'no-restricted-properties': ['error', ...noClock],
      'no-console': 'error',
    },
  },
  // Plain JavaScript: what runs before anything is compiled, and what users of the package read.
  { files: ['scripts/**/*.mjs', 'examples/**/*.mjs'], ...tseslint.configs.disableTypeChecked },
)
