/** `npm pack` and `npm publish` in the project's folder would take it as it is. */
console.error("Pack with npm run pack; then npm publish .package: the package is not the project's folder.");
process.exit(1);
