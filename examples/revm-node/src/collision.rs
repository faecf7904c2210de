// SPDX-License-Identifier: Apache-2.0
//! revm's EVM with one more rule: no contract is created at an address that has storage (EIP-7610).
//! revm looks at the nonce and the code of such an address only.

use crate::evm::TimedDb;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction};
use revm::context::{ContextSetters, ContextTr, FrameStack, JournalTr, TxEnv};
use revm::handler::evm::{ContextDbError, FrameInitResult, FrameTr};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameData, FrameInitOrResult, FrameResult, Handler,
    ItemOrResult, MainnetContext, MainnetEvm, MainnetHandler, SystemCallTx,
};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult};
use revm::primitives::{Address, Bytes};
use revm::state::EvmState;

type NodeContext<'a> = MainnetContext<TimedDb<'a>>;
type Failure = EVMError<flatkv::Error, InvalidTransaction>;

pub struct NodeEvm<'a>(pub MainnetEvm<NodeContext<'a>>);

impl NodeEvm<'_> {
    /// Executes a transaction: what came of it, and what it changed.
    pub fn transact(&mut self, tx: TxEnv) -> Result<(ExecutionResult, EvmState), Failure> {
        self.0.ctx.set_tx(tx);
        let result = MainnetHandler::<_, Failure, _>::default().run(self)?;
        Ok((result, self.0.ctx.journaled_state.finalize()))
    }

    /// Calls a contract as the system does; what that changed.
    pub fn system_call(&mut self, contract: Address, data: Bytes) -> Result<EvmState, Failure> {
        self.0.ctx.set_tx(TxEnv::new_system_tx(contract, data));
        MainnetHandler::<_, Failure, _>::default().run_system_call(self)?;
        Ok(self.0.ctx.journaled_state.finalize())
    }
}

impl<'a> EvmTr for NodeEvm<'a> {
    type Context = NodeContext<'a>;
    type Instructions = EthInstructions<EthInterpreter, NodeContext<'a>>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame<EthInterpreter>;

    fn all(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.0.all()
    }

    fn all_mut(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
    ) {
        self.0.all_mut()
    }

    /// Begins a call or a creation. A creation that revm would let pass is undone again, down to the
    /// nonce of its creator, and has used up its gas, as with a contract that is there already.
    fn frame_init(
        &mut self,
        input: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<Self::Context>> {
        let creation = match &input.frame_input {
            FrameInput::Create(create) => Some((
                Gas::new_with_regular_gas_and_reservoir(create.gas_limit(), create.reservoir()),
                create.charged_create_state_gas(),
            )),
            _ => None,
        };
        if let ItemOrResult::Result(result) = self.0.frame_init(input)? {
            return Ok(ItemOrResult::Result(result));
        }
        if let Some((gas, charged_create_state_gas)) = creation
            && self.collides()?
        {
            let (result, output) = (InstructionResult::CreateCollision, Bytes::new());
            return Ok(ItemOrResult::Result(FrameResult::Create(CreateOutcome {
                result: InterpreterResult { result, gas, output },
                address: None,
                charged_create_state_gas,
            })));
        }
        Ok(ItemOrResult::Item(self.0.frame_stack.get()))
    }

    fn frame_run(
        &mut self,
    ) -> Result<FrameInitOrResult<Self::Frame>, ContextDbError<Self::Context>> {
        self.0.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: <Self::Frame as FrameTr>::FrameResult,
    ) -> Result<Option<<Self::Frame as FrameTr>::FrameResult>, ContextDbError<Self::Context>> {
        self.0.frame_return_result(result)
    }
}

impl NodeEvm<'_> {
    /// Undoes the creation that has just begun if its address has storage.
    fn collides(&mut self) -> Result<bool, flatkv::Error> {
        let frame = self.0.frame_stack.get();
        let FrameData::Create(created) = &frame.data else { return Ok(false) };
        let (address, checkpoint) = (created.created_address, frame.checkpoint);
        if !self.0.ctx.db().has_storage(&address)? {
            return Ok(false);
        }
        self.0.ctx.journal_mut().checkpoint_revert(checkpoint);
        self.0.frame_stack.pop();
        Ok(true)
    }
}
