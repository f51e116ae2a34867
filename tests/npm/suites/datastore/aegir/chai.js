import * as chai from 'chai';
import promised from 'chai-as-promised';
import parentheses from 'chai-parentheses';

// In this order: https://github.com/chaijs/chai/issues/1298
chai.use(promised);
chai.use(parentheses);

export const { assert, expect } = chai;
