# SPDX-License-Identifier: Apache-2.0
# Writes what the program makes of its own declarations: manual pages and completions.
#   PROGRAM  flatkv
#   FOLDER   where to; made anew, so that no page of a former verb stays
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/man1)
execute_process(COMMAND ${PROGRAM} man --all ${FOLDER}/man1 COMMAND_ERROR_IS_FATAL ANY)
function(completion shell name)
  execute_process(COMMAND ${PROGRAM} completion ${shell} OUTPUT_FILE ${FOLDER}/${name}
    COMMAND_ERROR_IS_FATAL ANY)
endfunction()
completion(bash flatkv)
completion(zsh _flatkv)
completion(fish flatkv.fish)
file(TOUCH ${FOLDER}/made)
