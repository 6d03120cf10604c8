//! The table: what is resolved before keywords are looked at.

use super::{Args::*, Block, Keyword, Standing::*, rows};

rows! {
/// Words of the preprocessor.
LEXER_ROWS:
    "include" Custom, "GLOB", "", "", Acts;
        "Read every file matching GLOB at this point."
    "includer" Custom, "GLOB", "", "", Acts;
        "As include, and an unreadable/non-regular/executable/directory match is an error."
    "includem" Custom, "GLOB", "", "", Acts;
        "As includer, and a wildcard-free pattern with no match is an error."
    "includew" Custom, "GLOB", "", "", Acts;
        "As includem, and a wildcard pattern with no match is an error."
    "includeb" Custom, "GLOB", "", "", Acts;
        "As includer, and every brace alternative must exist."
    "includea" Custom, "GLOB", "", "", Acts;
        "All four include checks."
    "@ID" Custom, "@ID REST_OF_LINE", "exact, whole-word, case-sensitive match", "", Acts;
        "Keep REST_OF_LINE only when ID equals the config id."
    "@^ID" Custom, "@^ID REST_OF_LINE", "", "", Acts;
        "Keep REST_OF_LINE only when ID differs from the config id."
    "$NAME=" Custom, "$NAME=VALUE", "NAME: [A-Za-z_][A-Za-z0-9_]*", "", Acts;
        "Define or redefine a text substitution."
    "$NAME" Custom, "$NAME", "must be followed by blank, comma, \")\" or end of line", "", Acts;
        "Substitute a definition."
    "${NAME}" Custom, "${NAME}", "", "", Acts;
        "Substitute a definition, any following character allowed."
    "${_PWD}" Custom, "${_PWD}", "", "current directory", Acts;
        "Directory of the file being read."
    "${_INSTANCE}" Custom, "${_INSTANCE}", "", "config id", Acts;
        "The config id (option -i, else host name up to first dot)."
    "${_RANDOM}" Custom, "${_RANDOM [MIN [MAX]]}", "non-negative decimal", "MIN 0, MAX 32767", Acts;
        "Random integer in [MIN,MAX]."
    "${_ENV}" Custom, "${_ENV VARNAME}", "exactly 1 parameter", "", Acts;
        "Value of environment variable VARNAME, empty when unset."
    "${_HASH}" Custom, "${_HASH}", "", "#", Acts;
        "A hash character."
    "${_BANG}" Custom, "${_BANG}", "", "!", Acts;
        "An exclamation mark."
    "~SEQ" Custom, "~SEQ(VAR,[START,[STEP,]]END) REST", "C long, decimal, 0octal or 0xhex",
        "START 1 (-1 if END<0); STEP 1 or -1", Acts;
        "Repeat REST with $VAR counting from START to END inclusive."
    "~SEQx" Custom, "~SEQx(VAR,[START,[STEP,]]END) REST", "non-negative", "", Acts;
        "As ~SEQ with $VAR in lower-case hexadecimal without prefix."
    "~LST" Custom, "~LST(VAR,V1[,V2]...) REST | ~LST({A,B},{a1,b1}[,{a2,b2}]...) REST",
        "values cannot contain blank , } )", "missing values are empty", Acts;
        "Repeat REST once per value (tuple)."
}

/// `(lexer)`
pub(super) static LEXER: Block = Block { path: "(lexer)", keywords: &[LEXER_ROWS] };
