/** A module that a browser has not, and the suites do not need there. */
export default {};
